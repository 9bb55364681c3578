/* launch: what supd and sup-worker agree on before the first byte of the wire:
 * the forms of the command line, the names in the environment and the exit
 * codes. Knows neither program.
 *
 *   sup-worker host FILE.so          hosts a C plugin
 *   sup-worker exec -- PROG ARG...   becomes a program that speaks the wire
 *   sup-worker stage SRC DST [--limit BYTES] [--share NAME]...
 *                                    copies a package
 *   sup-worker unstage DIR...        removes such copies
 *   sup-worker survey                tells which packages changed
 *
 * host and exec: the working directory is the staged copy and FILE and PROG
 * are relative to it (PROG without a slash is looked up in PATH). stdin is
 * /dev/null, stdout and stderr are supd's pipes, no other descriptor is open.
 * Before any code of the plugin runs the worker has made a session of its own
 * (so its pid is its process group), asked to be killed with its parent, and
 * set signals to their defaults. TERM is left at its default: it ends the
 * worker. The normal end is supd closing the socket.
 *
 * stage: DST must not exist, its parent must. One line on stdout and exit 0:
 *   {"digest":"sha256:<64 hex digits>","bytes":N,"files":N,
 *    "fingerprint":"<hex digits>"}
 * or what went wrong in one line on stderr and LAUNCH_EXIT_FAILED; then
 * nothing is left of DST.
 *
 * The fingerprint is over the place, type, size, times and inode of all that
 * is copied: while it is the same, so is the digest. It is "" where something
 * was touched so lately that its times could not tell a further change.
 *
 * survey: a line of JSON per package on stdin, in any number:
 *   {"folder":PATH,"shares":[NAME...],"known":FINGERPRINT or ""}
 * and in the same order on stdout, where a digest is there only if the
 * fingerprint is not the known one, and is what stage would give:
 *   {"fingerprint":"...","digest":"sha256:..."}
 *   {"error":"what went wrong, in one line"}
 *
 * unstage: removes DIR and all in it, read-only folders too; no DIR is fine. */
#pragma once

#define LAUNCH_HOST "host"
#define LAUNCH_EXEC "exec"
#define LAUNCH_STAGE "stage"
#define LAUNCH_UNSTAGE "unstage"
#define LAUNCH_SURVEY "survey"
#define LAUNCH_STAGE_LIMIT "--limit" /* bytes, decimal */
#define LAUNCH_STAGE_SHARE "--share" /* a name at the top of the package */
#define LAUNCH_STAGE_LIMIT_BYTES (256ull * 1024 * 1024)

/* The environment of host and exec: all are set by supd and stay set for the
 * plugin, but for the last two, which the worker takes for itself. */
#define LAUNCH_SOCKET "SUPD_SOCKET" /* path of the unix socket to dial */
#define LAUNCH_PLUGIN "SUPD_PLUGIN" /* id */
#define LAUNCH_GENERATION "SUPD_GENERATION" /* decimal */
#define LAUNCH_NONCE "SUPD_NONCE"	    /* second param of hello */
#define LAUNCH_PROTOCOL "SUPD_PROTOCOL"	    /* PROTOCOL_VERSION, decimal */
#define LAUNCH_DATA_DIR "SUPD_DATA_DIR"	    /* lasts over generations */
#define LAUNCH_LINK "SUPD_LINK"	    /* host: "nng" (if absent) or "native" */
#define LAUNCH_PARENT "SUPD_PARENT" /* supd's pid, decimal */

/* Keys of the limits map, the fourth value of hello's answer; a key that is
 * absent leaves the default, one that is not known here is ignored. */
#define LAUNCH_LIMIT_BODY "body"	       /* bytes, limits.body */
#define LAUNCH_LIMIT_CREDIT "credit"	       /* bytes per stream at first */
#define LAUNCH_LIMIT_MESSAGE "message"	       /* bytes of one nng message */
#define LAUNCH_LIMIT_INLINE_BODY "inline_body" /* bytes, else chunks */
#define LAUNCH_LIMIT_IN_FLIGHT "in_flight"     /* requests sent at once */

/* Exit codes of sup-worker; a plugin's own exit() may use any other. */
enum launch_exit {
	LAUNCH_EXIT_DONE = 0,	  /* supd closed the socket; stage: copied */
	LAUNCH_EXIT_FAILED = 1,	  /* stage failed */
	LAUNCH_EXIT_USAGE = 64,	  /* arguments or environment are wrong */
	LAUNCH_EXIT_LOAD = 65,	  /* no such file, no descriptor, wrong ABI */
	LAUNCH_EXIT_INIT = 66,	  /* the plugin's init said no */
	LAUNCH_EXIT_LINK = 67,	  /* cannot connect, or the link broke */
	LAUNCH_EXIT_REFUSED = 68, /* supd refused hello or ready */
	LAUNCH_EXIT_ORPHAN = 69,  /* the parent was gone at the start */
	LAUNCH_EXIT_NO_PROGRAM = 127, /* exec: cannot run PROG */
};
