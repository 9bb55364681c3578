/* markdown: what is left of it where there is only text. */
#pragma once

/* The text without marks of emphasis, headings and fences; [text](url) becomes
 * "text (url)", and what is in backquotes stays as it is. The caller
 * frees. */
char *markdown_reduce(const char *text);
