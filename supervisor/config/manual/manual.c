/* manual: fills a template of a manual page: the lines @CONFIG_KEYS@ and
 * @MANIFEST_KEYS@ become the lists of keys, @VERSION@ the version. Runs while
 * building. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/config.h"

static void
put_line(char *line)
{
	char *version = strstr(line, "@VERSION@");

	if (!strcmp(line, "@CONFIG_KEYS@\n")) {
		config_print_man_keys(stdout, false);
	} else if (!strcmp(line, "@MANIFEST_KEYS@\n")) {
		config_print_man_keys(stdout, true);
	} else if (version) {
		*version = '\0';
		printf("%s%s%s", line, SUPD_VERSION,
			version + strlen("@VERSION@"));
	} else {
		fputs(line, stdout);
	}
}

int
main(int argc, char **argv)
{
	FILE *template = argc == 2 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t size = 0;

	if (!template) {
		fputs("usage: config_manual TEMPLATE\n", stderr);
		return 2;
	}
	while (getline(&line, &size, template) >= 0)
		put_line(line);
	free(line);
	fclose(template);
	return fflush(stdout) ? 1 : 0;
}
