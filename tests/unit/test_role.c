/* Which role the credentials of a peer give. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/control/role.h"

static struct config_peer peers[] = {
	{.is_group = false, .number = 1000, .role = ROLE_VIEWER},
	{.is_group = true, .number = 50, .role = ROLE_OPERATOR},
	{.is_group = true, .number = 60, .role = ROLE_ADMIN},
	{.is_group = false, .number = 60, .role = ROLE_VIEWER},
};

Test(role, the_greatest_that_applies)
{
	static gid_t both[] = {50, 60}, ops[] = {50}, other[] = {70};
	static const struct {
		struct credentials who;
		int role; /* -1: none */
	} rows[] = {
		{{.uid = 1000, .gid = 1000}, ROLE_VIEWER},
		{{.uid = 1000, .gid = 50}, ROLE_OPERATOR},
		{{.uid = 1000, .gid = 1, .groups = ops, .group_count = 1},
			ROLE_OPERATOR},
		{{.uid = 1, .gid = 1, .groups = both, .group_count = 2},
			ROLE_ADMIN},
		{{.uid = 1, .gid = 1, .groups = other, .group_count = 1}, -1},
		{{.uid = 60, .gid = 1}, ROLE_VIEWER}, /* a uid is no gid */
		{{.uid = 50, .gid = 1000}, -1},
		{{.uid = 0, .gid = 0}, -1}, /* not listed: not even root */
	};
	struct config_admin admin = {.peers = {peers, 4}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum role role = ROLE_VIEWER;
		bool has = role_of(&admin, &rows[i].who, &role);

		cr_expect_eq(has, rows[i].role >= 0, "row %zu", i);
		if (has)
			cr_expect_eq((int)role, rows[i].role, "row %zu", i);
	}
}

Test(role, the_kernel_says_who_it_is)
{
	struct credentials who;
	struct error err;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(credentials_read(&who, fds[0], &err), 0);
	cr_expect_eq(who.uid, geteuid());
	cr_expect_eq(who.gid, getegid());
	cr_expect_eq(who.pid, getpid());
	cr_expect_eq((int)who.group_count, getgroups(0, NULL));
	credentials_finish(&who);
	close(fds[0]);
	close(fds[1]);
}
