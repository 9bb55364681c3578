"""compile.py FILE [STAMP]: byte-compiles FILE beside itself. The cache is not
checked against the time of FILE, which an installation or a package changes."""
import os
import py_compile
import sys

py_compile.compile(
    os.path.join(os.environ.get("MESON_INSTALL_DESTDIR_PREFIX", ""),
                 sys.argv[1]),
    doraise=True,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
if len(sys.argv) > 2:
    open(sys.argv[2], "w").close()
