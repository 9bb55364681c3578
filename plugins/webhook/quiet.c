#include "quiet.h"

#include <stdio.h>
#include <time.h>

#define WINDOW_S 10
#define LINES_MAX 5

void
quiet_log(struct quiet *q, struct sup *p, const char *format, ...)
{
	int64_t window = time(NULL) / WINDOW_S;
	char text[400], more[60] = "";
	va_list arguments;

	if (window != q->window) {
		q->window = window;
		q->said = 0;
	}
	if (q->said == LINES_MAX) {
		q->withheld++;
		return;
	}
	q->said++;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (q->withheld)
		snprintf(more, sizeof(more), " (%u such lines were left out)",
			q->withheld);
	q->withheld = 0;
	sup_log(p, SUP_WARN, "%s%s", text, more);
}
