/* launch: what supd and sup-worker agree on before the first byte of the wire:
 * the forms of the command line, the names in the environment and the exit
 * codes. Knows neither program.
 *
 *   sup-worker host FILE.so          hosts a C plugin
 *   sup-worker exec -- PROG ARG...   executes a program that speaks the wire
 *   sup-worker stage SRC DST [--limit BYTES] [--share NAME]...
 *                                    copies a package
 *   sup-worker unstage DIR...        removes such copies
 *   sup-worker survey                reports which packages changed
 *   sup-worker sweep [--cgroups OWN] NAME=VALUE...
 *                                    kills processes with that environment
 *                                    and those in their workers' cgroups
 *   sup-worker sync DIR...           writes files to disk
 *   sup-worker watch                 reports files that change
 *
 * host and exec: the working directory is the staged copy and FILE and PROG
 * are relative to it (PROG without a slash is looked up in PATH). stdin is
 * /dev/null, stdout and stderr are supd's pipes, no other descriptor is open.
 * Before any code of the plugin runs, the worker has made a session of its own
 * (so its pid is its process group), asked to be killed with its parent, and
 * set signals to their defaults: TERM ends the worker. A worker also ends when
 * supd closes the socket.
 *
 * stage: DST must not exist, its parent must. One line on stdout and exit 0:
 *   {"digest":"sha256:<64 hex digits>","bytes":N,"files":N,
 *    "fingerprint":"<hex digits>"}
 * or the reason in one line on stderr and LAUNCH_EXIT_FAILED or _SHORT; then
 * nothing is left of DST. A symbolic link out of the package is replaced by a
 * copy of its target.
 *
 * The fingerprint covers path, type, size, times and inode of everything that
 * is copied: while it is the same, so is the digest. It is "" if something was
 * touched so recently that a further change might leave the same times.
 *
 * survey: a line of JSON for each package on stdin:
 *   {"folder":PATH,"shares":[NAME...],"known":FINGERPRINT or "","copy":BOOL}
 * (copy: stage made it; what was added to it later does not count)
 * and in the same order on stdout, with the digest that stage would give if the
 * fingerprint is not the known one:
 *   {"fingerprint":"...","digest":"sha256:..."}
 *   {"error":"what went wrong, in one line"}
 * and "shortage":true if memory or descriptors have run out.
 *
 * unstage: removes DIR and everything in it, also read-only folders; it is no
 * error if DIR does not exist.
 *
 * sync: fsync of each regular file directly in DIR, then of DIR.
 *
 * watch: stdout is a socket, on which supd sends orders, each a line of JSON:
 *   {"watch":KEY,"roots":[PATH...],"include":[GLOB...],"ignore":[GLOB...],
 *    "debounce":MS,"files":[PATH...],"made":[PATH...],"absent":[PATH...]}
 *                              watches these files or folders instead of
 *                              those that KEY had. files: roots whose changes
 *                              are marked in the report. made: paths that the
 *                              build of the package always makes. absent: if
 *                              one of these can be read, that is a change
 *   {"forget":KEY}
 *   {"build":KEY}              a build begins: nothing is reported meanwhile
 *   {"built":KEY}              it has ended: changes of what it is built from
 *                              are reported, what it made is not
 * and reads reports:
 *   {"mode":KEY,"how":"inotify"|"sweep","why":TEXT}
 *   {"pending":KEY}            something happened; after the debounce follows
 *   {"changed":KEY,"file":PATH or null,"count":N,"missing":BOOL,
 *    "build":BOOL,"files":BOOL,"at":MS}
 *   {"calm":KEY}               or this: everything looks as before
 *   {"building":KEY}           answers "build": what is there is known
 *   {"built":KEY}              answers "built", before any change
 * PATH is relative to the first root if it is below it. "missing": the first
 * root does not exist. "build": the change came while the build ran. "files":
 * one of "files" changed. "at": when the file changed, by its times; 0: it is
 * gone. A mode "inotify" with "why": some files are not watched. */
#pragma once

#define LAUNCH_HOST "host"
#define LAUNCH_EXEC "exec"
#define LAUNCH_STAGE "stage"
#define LAUNCH_UNSTAGE "unstage"
#define LAUNCH_SURVEY "survey"
#define LAUNCH_SWEEP "sweep"
#define LAUNCH_SYNC "sync"
#define LAUNCH_WATCH "watch"
#define LAUNCH_SWEEP_MS 3000		 /* in all */
#define LAUNCH_SWEEP_CGROUPS "--cgroups" /* supd's own, those are below it */
#define LAUNCH_CGROUP "supd-"	     /* before the mark of a state directory */
#define LAUNCH_STAGE_LIMIT "--limit" /* bytes, decimal */
#define LAUNCH_STAGE_SHARE "--share" /* a name at the top of the package */
#define LAUNCH_STAGE_LIMIT_BYTES (256ull * 1024 * 1024)
#define LAUNCH_STAGE_LIMIT_ENTRIES 250000 /* files, folders and links */

/* The environment of host and exec. supd sets all of these; the worker removes
 * the last two, and the plugin sees the others. */
#define LAUNCH_SOCKET "SUPD_SOCKET" /* path of the unix socket to dial */
#define LAUNCH_PLUGIN "SUPD_PLUGIN" /* id */
#define LAUNCH_GENERATION "SUPD_GENERATION" /* decimal */
#define LAUNCH_NONCE "SUPD_NONCE"	    /* second param of hello */
#define LAUNCH_PROTOCOL "SUPD_PROTOCOL"	    /* PROTOCOL_VERSION, decimal */
#define LAUNCH_DATA_DIR "SUPD_DATA_DIR"	    /* outlives generations */
#define LAUNCH_TREE                                                            \
	"SUPD_TREE"		/* marks the processes that the worker starts  \
				 */
#define LAUNCH_LINK "SUPD_LINK" /* host: "nng" (if absent) or "native" */
#define LAUNCH_PARENT "SUPD_PARENT" /* supd's pid, decimal */

/* Keys of the limits map, the fourth value of hello's answer. An absent key
 * means the default; an unknown key is ignored. */
#define LAUNCH_LIMIT_BODY "body"	       /* bytes, limits.body */
#define LAUNCH_LIMIT_CREDIT "credit"	       /* bytes per stream at first */
#define LAUNCH_LIMIT_MESSAGE "message"	       /* bytes of one nng message */
#define LAUNCH_LIMIT_INLINE_BODY "inline_body" /* bytes, else chunks */
#define LAUNCH_LIMIT_IN_FLIGHT "in_flight"     /* requests sent at once */

/* Exit codes of sup-worker; a plugin's own exit() may use any other. */
enum launch_exit {
	LAUNCH_EXIT_DONE = 0,	  /* supd closed the socket; stage: copied */
	LAUNCH_EXIT_FAILED = 1,	  /* stage failed */
	LAUNCH_EXIT_SWEPT = 2,	  /* sweep: it killed some */
	LAUNCH_EXIT_UNSWEPT = 3,  /* sweep: some would not die */
	LAUNCH_EXIT_USAGE = 64,	  /* arguments or environment are wrong */
	LAUNCH_EXIT_LOAD = 65,	  /* no such file, no descriptor, wrong ABI */
	LAUNCH_EXIT_INIT = 66,	  /* the plugin's init failed */
	LAUNCH_EXIT_LINK = 67,	  /* cannot connect, or lost the link */
	LAUNCH_EXIT_REFUSED = 68, /* supd refused hello or ready */
	LAUNCH_EXIT_ORPHAN = 69,  /* the parent was gone at the start */
	LAUNCH_EXIT_SHORT = 71,	  /* space, memory, descriptors or processes
				     ran out; counts only before hello for
				     host and exec */
	LAUNCH_EXIT_NO_PROGRAM = 127, /* exec: cannot run PROG */
};
