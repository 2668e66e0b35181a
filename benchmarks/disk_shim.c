/* Makes the N-th system call of one kind fail, among those that touch one folder. Loaded with LD_PRELOAD by faults.py.
 *
 * A child process arms it with featx_arm(folder, kind, n, error); until then, and for other folders, calls pass through.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { OPEN, WRITE, FSYNC, RENAME, MKDIR };

static char folder[PATH_MAX];
static int armed_kind = -1, armed_error, countdown, seen;

void featx_arm(const char *where, int kind, int n, int error) {
    snprintf(folder, sizeof folder, "%s", where);
    armed_kind = kind, countdown = n, armed_error = error, seen = 0;
}

/* How many calls of the armed kind touched the folder so far. */
int featx_seen(void) { return seen; }

static int fails(int kind, const char *path) {
    if (kind != armed_kind || strncmp(path, folder, strlen(folder))) return 0;
    seen++;
    if (--countdown) return 0;
    errno = armed_error;
    return 1;
}

static int fails_fd(int kind, int fd) {
    char link[64], path[PATH_MAX];
    if (kind != armed_kind) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPENER(name)                                                   \
    int name(const char *path, int flags, ...) {                       \
        va_list arguments;                                             \
        va_start(arguments, flags);                                    \
        mode_t mode = va_arg(arguments, mode_t);                       \
        va_end(arguments);                                             \
        return fails(OPEN, path) ? -1 : REAL(name)(path, flags, mode); \
    }
OPENER(open)
OPENER(open64)

DIR *opendir(const char *path) { return fails(OPEN, path) ? NULL : REAL(opendir)(path); }

ssize_t write(int fd, const void *bytes, size_t n) { return fails_fd(WRITE, fd) ? -1 : REAL(write)(fd, bytes, n); }
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    return fails_fd(WRITE, fd) ? -1 : REAL(pwrite)(fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    return fails_fd(WRITE, fd) ? -1 : REAL(pwrite64)(fd, bytes, n, at);
}
int ftruncate(int fd, off_t n) { return fails_fd(WRITE, fd) ? -1 : REAL(ftruncate)(fd, n); }
int ftruncate64(int fd, off64_t n) { return fails_fd(WRITE, fd) ? -1 : REAL(ftruncate64)(fd, n); }
int fsync(int fd) { return fails_fd(FSYNC, fd) ? -1 : REAL(fsync)(fd); }
int rename(const char *from, const char *to) { return fails(RENAME, to) ? -1 : REAL(rename)(from, to); }
int renameat(int at, const char *from, int to_at, const char *to) {
    return fails(RENAME, to) ? -1 : REAL(renameat)(at, from, to_at, to);
}
int mkdir(const char *path, mode_t mode) { return fails(MKDIR, path) ? -1 : REAL(mkdir)(path, mode); }
