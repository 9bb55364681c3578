/* remote: file systems whose changes inotify does not report. */
#pragma once

/* Why not, static; NULL: it reports them, or there is nothing at the path. */
const char *remote_why(const char *path);
