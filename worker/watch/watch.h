/* watch: the process that watches files for supd. It reads orders and writes
 * reports, each a line of JSON; see proto/launch.h. One inotify instance and
 * one sweep serve all trees. */
#pragma once

/* fd: a socket, for both. Returns when its other end is closed; -1: it failed,
 * or an order was malformed. */
int watch_run(int fd);
