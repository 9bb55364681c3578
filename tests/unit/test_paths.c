/* paths: the search orders, with the environment as each case sets it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/paths.h"
#include "tests/unit/files.h"

static void
clear(void)
{
	unsetenv("SUPD_CONFIG");
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("SUPCTL_SOCKET");
}

static void
expect(char *path, const char *expected)
{
	cr_expect_str_eq(path, expected);
	free(path);
}

Test(paths, config_file, .init = clear)
{
	expect(paths_config_file(NULL), "/etc/supd/supd.yaml");
	setenv("SUPD_CONFIG", "/x.yaml", 1);
	expect(paths_config_file(NULL), "/x.yaml");
	expect(paths_config_file("/y.yaml"), "/y.yaml");
}

Test(paths, runtime_and_state_dir, .init = clear)
{
	expect(paths_runtime_dir(NULL, NULL), "/run/supd");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	expect(paths_runtime_dir(NULL, NULL), "/run/user/7/supd");
	setenv("RUNTIME_DIRECTORY", "/run/one:/run/two", 1);
	expect(paths_runtime_dir(NULL, NULL), "/run/one");
	expect(paths_runtime_dir(NULL, "/c"), "/c");
	expect(paths_runtime_dir("/f", "/c"), "/f");
	expect(paths_state_dir(NULL, NULL), "/var/lib/supd");
	setenv("STATE_DIRECTORY", "/s", 1);
	expect(paths_state_dir(NULL, NULL), "/s");
	expect(paths_state_dir(NULL, "/c"), "/c");
	cr_assert_eq(chdir("/tmp"), 0);
	expect(paths_state_dir("./f", NULL), "/tmp/f");
}

Test(paths, control_socket_is_the_first_that_is_there, .init = clear)
{
	expect(paths_control_socket(NULL), "/run/supd/control.sock");
	struct folder f = folder_make();
	setenv("RUNTIME_DIRECTORY", "/nowhere", 1);
	expect(paths_control_socket(NULL), "/nowhere/control.sock");
	setenv("XDG_RUNTIME_DIR", f.path, 1);
	folder_write(&f, "supd/x", "");
	char *path = folder_path(&f, "supd/control.sock");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(paths_control_socket(NULL), path);
	close(fd);
	free(path);
	setenv("SUPCTL_SOCKET", "/v", 1);
	expect(paths_control_socket(NULL), "/v");
	expect(paths_control_socket("/f"), "/f");
	folder_remove(&f);
}
