/* remote: see the header. */
#include "worker/watch/remote.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

#ifndef SMB2_SUPER_MAGIC /* since Linux 5.17 */
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#define CIFS_MAGIC 0xff534d42
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546 /* virtiofs too */
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif

/* File systems where other machines change files without this kernel's notice;
 * see inotify(7), "Limitations". */
const char *
remote_why(const char *path)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} rows[] = {
		{NFS_SUPER_MAGIC, "the folder is on NFS"},
		{V9FS_MAGIC, "the folder is on 9p"},
		{CIFS_MAGIC, "the folder is on CIFS"},
		{SMB2_SUPER_MAGIC, "the folder is on SMB"},
		{SMB_SUPER_MAGIC, "the folder is on SMB"},
		{FUSE_SUPER_MAGIC, "the folder is on FUSE or virtiofs"},
		{CEPH_SUPER_MAGIC, "the folder is on Ceph"},
		{AFS_SUPER_MAGIC, "the folder is on AFS"},
		{OVERLAYFS_SUPER_MAGIC, "the folder is on overlayfs"},
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if ((unsigned long)(unsigned)fs.f_type == rows[i].magic)
			return rows[i].name;
	return NULL;
}
