/* terminal: see terminal.h. Signals come through a descriptor, so that nothing
 * is done in a handler. */
#include "tools/supctl/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "tools/supctl/options.h"

/* Another screen, no cursor, no wrapping; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[0m\033[?1049l"

static struct termios before;

static void
write_all(const char *bytes, size_t size)
{
	size_t written = 0;

	while (written < size) {
		ssize_t got =
			write(STDOUT_FILENO, bytes + written, size - written);
		struct pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT};

		if (got > 0)
			written += (size_t)got;
		else if (got < 0 && errno == EAGAIN)
			poll(&wait, 1, 1000);
		else if (got < 0 && errno != EINTR)
			return;
	}
}

static void
measure(struct terminal *t)
{
	struct winsize size = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	t->rows = size.ws_row ? size.ws_row : 24;
	t->columns = size.ws_col ? size.ws_col : 80;
}

static void
take_screen(struct terminal *t)
{
	struct termios raw = before;

	/* ^C and ^Z stay signals */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	write_all(ENTER, strlen(ENTER));
	t->entered = true;
	measure(t);
}

static void
fill_signals(sigset_t *set)
{
	static const int signals[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(set, signals[i]);
}

int
terminal_enter(struct terminal *t)
{
	sigset_t set;

	*t = (struct terminal){.signals = -1};
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -1;
	fill_signals(&set);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0)
		return -1;
	sigprocmask(SIG_BLOCK, &set, NULL);
	take_screen(t);
	return 0;
}

void
terminal_leave(struct terminal *t)
{
	if (!t->entered)
		return;
	t->entered = false;
	write_all(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

/* ^Z: the shell gets its terminal as it was; then this goes on. */
static void
stop(struct terminal *t)
{
	sigset_t one;

	terminal_leave(t);
	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &one, NULL); /* stops here */
	sigprocmask(SIG_BLOCK, &one, NULL);
	take_screen(t);
}

static enum terminal_event
take_signal(struct terminal *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return TERMINAL_NOTHING;
	switch (info.ssi_signo) {
	case SIGWINCH:
		measure(t);
		return TERMINAL_RESIZED;
	case SIGTSTP:
		stop(t);
		return TERMINAL_RESIZED;
	case SIGCONT: /* after a SIGSTOP, which comes unseen */
		take_screen(t);
		return TERMINAL_RESIZED;
	default:
		t->ended_by = (int)info.ssi_signo;
		return TERMINAL_ENDED;
	}
}

/* ---- keys ---- */

static const struct {
	const char *bytes;
	int key;
} sequences[] = {{"\033[A", KEY_UP}, {"\033[B", KEY_DOWN}, {"\033OA", KEY_UP},
	{"\033OB", KEY_DOWN}, {"\033[5~", KEY_PAGE_UP},
	{"\033[6~", KEY_PAGE_DOWN}, {"\033[H", KEY_HOME}, {"\033OH", KEY_HOME},
	{"\033[1~", KEY_HOME}, {"\033[F", KEY_END}, {"\033OF", KEY_END},
	{"\033[4~", KEY_END}};

static void
consume(struct terminal *t, unsigned count)
{
	t->pending_length -= count;
	memmove(t->pending, t->pending + count, t->pending_length);
}

/* A sequence that is none of these is dropped up to its last byte. */
static unsigned
sequence_length(const struct terminal *t)
{
	unsigned i = 1;

	if (i < t->pending_length &&
		(t->pending[i] == '[' || t->pending[i] == 'O'))
		i++;
	while (i < t->pending_length &&
		(t->pending[i] < '@' || t->pending[i] > '~'))
		i++;
	return i < t->pending_length ? i + 1 : t->pending_length;
}

/* The next key of what was read; false: there is none. */
static bool
next_key(struct terminal *t)
{
	if (!t->pending_length)
		return false;
	if (t->pending[0] != '\033') {
		t->key = (unsigned char)t->pending[0];
		consume(t, 1);
		return true;
	}
	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		unsigned length = (unsigned)strlen(sequences[i].bytes);

		if (t->pending_length < length ||
			memcmp(t->pending, sequences[i].bytes, length) != 0)
			continue;
		t->key = sequences[i].key;
		consume(t, length);
		return true;
	}
	consume(t, sequence_length(t));
	return next_key(t);
}

static enum terminal_event
take_keys(struct terminal *t)
{
	ssize_t got = read(STDIN_FILENO, t->pending + t->pending_length,
		sizeof(t->pending) - t->pending_length);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return TERMINAL_NOTHING;
	if (got <= 0)
		return TERMINAL_ENDED;
	t->pending_length += (unsigned)got;
	return next_key(t) ? TERMINAL_KEY : TERMINAL_NOTHING;
}

enum terminal_event
terminal_wait(struct terminal *t, int timeout_ms)
{
	struct pollfd wait[] = {{.fd = t->signals, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN}};

	if (next_key(t))
		return TERMINAL_KEY;
	if (poll(wait, 2, timeout_ms) <= 0)
		return TERMINAL_NOTHING;
	if (wait[0].revents)
		return take_signal(t);
	return take_keys(t);
}

/* ---- out ---- */

void
terminal_draw(struct terminal *t, const struct buffer *lines)
{
	const char *at = (const char *)buffer_bytes(lines);
	size_t left = buffer_length(lines);
	struct buffer out = {0};
	unsigned row = 0;

	if (!t->entered)
		return;
	buffer_append_text(&out, "\033[H");
	while (left && row++ < t->rows) {
		const char *end = memchr(at, '\n', left);
		size_t length = end ? (size_t)(end - at) : left;

		buffer_append_text(&out, row > 1 ? "\r\n" : "");
		buffer_append(&out, at, length);
		buffer_append_text(&out, "\033[K");
		at += length + (end ? 1 : 0);
		left -= length + (end ? 1 : 0);
	}
	buffer_append_text(&out, "\033[J");
	write_all((const char *)buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&out);
}

int
terminal_exit(const struct terminal *t)
{
	sigset_t all;

	if (!t->ended_by)
		return EXIT_FAILURE;
	if (t->ended_by == SIGINT)
		return EXIT_INTERRUPTED;
	signal(t->ended_by, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(t->ended_by);
	return EXIT_FAILURE;
}
