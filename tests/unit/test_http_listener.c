/* http listeners: what is opened, kept, closed and refused, on real sockets in
 * a private folder and on ports that the kernel picks. */
#include <criterion/criterion.h>

#include "tests/unit/http_door.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/supd-http-XXXXXX";

static void
open_door(void)
{
	cr_assert(mkdtemp(folder));
	door_open();
}

static void
shut_door(void)
{
	char path[100];

	door_close();
	snprintf(path, sizeof(path), "%s/s", folder);
	unlink(path);
	rmdir(folder);
}

TestSuite(http_listener, .init = open_door, .fini = shut_door, .timeout = 20);

static struct config_listener
unix_listener(const char *name)
{
	struct config_listener l = {0};
	struct sockaddr_un *un = (void *)&l.address;
	static char http[2][120];
	static int next;

	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s/%s", folder, name);
	l.address_length = sizeof(*un);
	l.http = http[next++ % 2];
	snprintf(l.http, sizeof(http[0]), "unix:%s", un->sun_path);
	return l;
}

static struct config_listener
tcp_listener(unsigned port)
{
	struct config_listener l = {0};
	struct sockaddr_in *in = (void *)&l.address;
	static char http[40];

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons((uint16_t)port);
	l.address_length = sizeof(*in);
	snprintf(http, sizeof(http), "127.0.0.1:%u", port);
	l.http = http;
	return l;
}

static int
listen_on(struct config_listener *items, uint32_t count, struct error *err)
{
	door.config.listen.items = items;
	door.config.listen.count = count;
	return http_server_listen(door.server, &door.config, err);
}

static int
connect_to(const struct config_listener *l)
{
	int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const void *)&l->address, l->address_length)) {
		close(fd);
		return -1;
	}
	door_turn();
	return fd;
}

Test(http_listener, serves_and_leaves_live_connections_when_it_goes)
{
	struct config_listener l = unix_listener("s");
	struct stat st;
	struct error err;
	char answer[100];
	int fd;

	cr_assert_eq(listen_on(&l, 1, &err), 0, "%s", err.text);
	cr_assert_eq(listen_on(&l, 1, &err), 0, "twice is once");
	fd = connect_to(&l);
	cr_assert_geq(fd, 0);
	cr_assert_eq(listen_on(NULL, 0, &err), 0);
	cr_expect_eq(connect_to(&l), -1);
	cr_expect_neq(stat(l.http + 5, &st), 0, "the file is gone");
	door_send(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	door_turn();
	cr_expect_gt(recv(fd, answer, sizeof(answer), 0), 50);
	cr_expect(!strncmp(answer, "HTTP/1.1 200 ", 13));
	close(fd);
}

Test(http_listener, replaces_a_socket_that_nobody_listens_on)
{
	struct config_listener l = unix_listener("s");
	struct error err;
	int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(stale, (void *)&l.address, l.address_length), 0);
	close(stale);
	cr_assert_eq(listen_on(&l, 1, &err), 0, "%s", err.text);
	close(connect_to(&l));
}

Test(http_listener, names_who_has_a_unix_socket)
{
	struct config_listener l = unix_listener("s");
	struct error err;
	char pid[40];
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(other, (void *)&l.address, l.address_length), 0);
	cr_assert_eq(listen(other, 5), 0);
	cr_expect_eq(listen_on(&l, 1, &err), -1);
	snprintf(pid, sizeof(pid), "in use by process %d", (int)getpid());
	cr_expect(strstr(err.text, l.http) && strstr(err.text, pid), "%s",
		err.text);
	close(other);
}

Test(http_listener, names_who_has_a_port_and_changes_nothing)
{
	struct config_listener both[2] = {unix_listener("s")};
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t length = sizeof(in);
	struct error err;
	char pid[40];
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(other, (void *)&in, sizeof(in)), 0);
	cr_assert_eq(listen(other, 5), 0);
	getsockname(other, (void *)&in, &length);
	both[1] = tcp_listener(ntohs(in.sin_port));
	cr_expect_eq(listen_on(both, 2, &err), -1);
	snprintf(pid, sizeof(pid), "in use by process %d (", (int)getpid());
	cr_expect(strstr(err.text, both[1].http) && strstr(err.text, pid), "%s",
		err.text);
	cr_expect_eq(connect_to(&both[0]), -1, "all or none");
	close(other);
}

Test(http_listener, accepts_no_more_than_the_limit_until_one_leaves)
{
	struct config_listener l = unix_listener("s");
	struct error err;
	int fds[4];

	door.config.limits.connections = 3;
	cr_assert_eq(listen_on(&l, 1, &err), 0, "%s", err.text);
	for (int i = 0; i < 4; i++)
		fds[i] = connect_to(&l);
	cr_expect_eq(door.server->connection_count, 3);
	close(fds[0]);
	door_turn();
	cr_expect_eq(door.server->connection_count, 3, "the fourth is in");
	cr_expect_eq(door.gateway.edge.accepted, 4);
	for (int i = 1; i < 4; i++)
		close(fds[i]);
}
