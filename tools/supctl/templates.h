/* templates: the files of `supctl new`, from the folder new/. In their names
 * and texts @NAME@ stands for the package's name. */
#pragma once

#include <stdbool.h>

struct template
{
	const char *kind; /* "c", "python", "node" */
	const char *path; /* in the package's folder */
	bool runs;	  /* made executable */
	const char *text;
};
extern const struct template templates[]; /* ends with zeroes */
