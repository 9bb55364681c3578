/* type: the Content-Type of a file by its name. */
#pragma once

/* Of the extension; application/octet-stream if it is unknown. */
const char *type_of_name(const char *name);
/* After the last dot of the last segment; "" if there is none. */
const char *type_extension(const char *name);
