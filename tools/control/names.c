// SPDX-License-Identifier: GPL-2.0-only
/*
 * The folder of control sockets: who may have one, taking a name, finding a VM by it, and
 * removing what dead processes left. What is spoken there is protocol.h's.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/names.h"
#include "control/protocol.h"
#include "khv.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

#define SOCKET_SUFFIX	".sock"
#define LOG_SUFFIX	".log"
#define LOCK_SUFFIX	".pid"
#define SUFFIX_MAX	5u
#define FILE_MAX	(KHV_NAME_MAX + SUFFIX_MAX + 1)
#define CONNECTIONS	16	/* that wait to be accepted */
#define TIMEOUT_S	5

bool khv_name_is_valid(const char *name)
{
	size_t len;

	if (!isalnum((unsigned char)name[0]))
		return false;
	for (len = 0; name[len]; len++)
		if (!isalnum((unsigned char)name[len]) && !strchr("._-", name[len]))
			return false;
	return len <= KHV_NAME_MAX;
}

/* Returns 0 unless there is no place, or it is too long. */
static int find_path(struct khv_names *names)
{
	const char *own = getenv("KHV_RUNTIME_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
	size_t room = sizeof(names->path);
	int n;

	if (own)
		n = snprintf(names->path, room, "%s", own);
	else if (!geteuid())
		n = snprintf(names->path, room, "%s", KHV_NAMES_ROOT);
	else if (xdg)
		n = snprintf(names->path, room, "%s/khv", xdg);
	else
		return khv_fail("find", "the folder of running VMs",
				"set it to a folder that only you can write to, such as /run/user/UID",
				"XDG_RUNTIME_DIR is not set");
	/* A socket's address has room for so much, with '/', name and suffix. */
	if (n < 0 || (size_t)n + 1 + KHV_NAME_MAX + SUFFIX_MAX >= room)
		return khv_fail("use", own ? own : xdg, "KHV_RUNTIME_DIR can name another",
				"its name is too long for sockets in it");
	return 0;
}

static int check_owner(struct khv_names *names, bool create)
{
	static const char advice[] = "remove it, or let KHV_RUNTIME_DIR name another";
	uid_t self = geteuid();
	struct stat st;

	if (fstat(names->dir, &st))
		return khv_fail("use", names->path, NULL, "%m");
	if (st.st_uid != self && (create || (st.st_uid && self)))
		return khv_fail("use", names->path, advice, "it belongs to user %u", st.st_uid);
	if (st.st_mode & (0022))
		return khv_fail("use", names->path, advice, "other users can write to it");
	names->uid = st.st_uid;
	return 0;
}

static int open_folder(struct khv_names *names, bool create)
{
	names->dir = -1;
	if (create && mkdir(names->path, 0700) && errno != EEXIST)
		return khv_fail("make", names->path, "KHV_RUNTIME_DIR can name another folder",
				"%m");
	names->dir = open(names->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (names->dir < 0 && errno == ENOENT && !create)
		return 1;
	if (names->dir < 0)
		return khv_fail("open", names->path, NULL, "%m");
	if (check_owner(names, create)) {
		khv_names_close(names);
		return -1;
	}
	return 0;
}

int khv_names_open(struct khv_names *names, bool create)
{
	names->prefix[0] = '\0';
	return find_path(names) ? -1 : open_folder(names, create);
}

int khv_names_open_user(struct khv_names *names, uid_t uid)
{
	int err;

	snprintf(names->prefix, sizeof(names->prefix), "%u/", uid);
	snprintf(names->path, sizeof(names->path), KHV_NAMES_USERS "/%u/khv", uid);
	err = open_folder(names, false);
	if (err || names->uid == uid)
		return err;
	khv_names_close(names);
	return khv_fail("use", names->path, NULL, "it belongs to user %u", names->uid);
}

int khv_names_each(void (*visit)(struct khv_names *names, void *ctx), void *ctx)
{
	struct khv_names names;
	struct dirent *entry;
	uint64_t uid;
	int err = khv_names_open(&names, false);
	DIR *users;

	if (err < 0)
		return -1;
	if (!err)
		visit(&names, ctx);
	khv_names_close(&names);
	users = geteuid() || getenv("KHV_RUNTIME_DIR") ? NULL : opendir(KHV_NAMES_USERS);
	while (users && (entry = readdir(users))) {
		if (khv_number_parse(entry->d_name, UINT32_MAX - 1, &uid) ||
		    khv_names_open_user(&names, (uid_t)uid))
			continue;
		visit(&names, ctx);
		khv_names_close(&names);
	}
	if (users)
		closedir(users);
	return 0;
}

void khv_names_close(struct khv_names *names)
{
	if (names->dir >= 0)
		close(names->dir);
	names->dir = -1;
}

static struct sockaddr_un address(const struct khv_names *names, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	/* What does not fit has been refused by find_path() and khv_name_is_valid(). */
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s" SOCKET_SUFFIX, names->path,
		     name) >= (int)sizeof(addr.sun_path))
		abort();
	return addr;
}

/* Returns a connected socket, or -1 with errno. ECONNREFUSED: nobody listens any more. */
static int try_connect(const struct sockaddr_un *addr, int flags)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	int err;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* Who listens: whoever he was when he began to, before he gave up privileges. */
static struct ucred peer(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		cred = (struct ucred){ .uid = (uid_t)-1 };
	return cred;
}

static void file_of(char file[FILE_MAX], const char *name, const char *suffix)
{
	snprintf(file, FILE_MAX, "%s%s", name, suffix);
}

/* Nobody listens there. Returns 0 if it is gone; what is no socket stays, a link among it. */
static int unlink_socket(const struct khv_names *names, const char *name)
{
	char file[FILE_MAX];
	struct stat st;

	file_of(file, name, SOCKET_SUFFIX);
	if (fstatat(names->dir, file, &st, AT_SYMLINK_NOFOLLOW) || !S_ISSOCK(st.st_mode))
		return -1;
	return unlinkat(names->dir, file, 0);
}

/* With the folder locked. Returns whether @addr is free now; else who has it, or 0. */
static bool remove_dead(const struct khv_names *names, const char *name,
			const struct sockaddr_un *addr, pid_t *owner)
{
	char file[FILE_MAX];
	int fd = try_connect(addr, SOCK_NONBLOCK);

	*owner = 0;
	if (fd >= 0) {
		*owner = peer(fd).pid;
		close(fd);
		return false;
	}
	if (errno != ENOENT && (errno != ECONNREFUSED || unlink_socket(names, name)))
		return false;
	file_of(file, name, LOCK_SUFFIX);
	unlinkat(names->dir, file, 0);
	return true;
}

/*
 * With the folder locked, and no such file there. The lock tells who has the name when his socket
 * does not; it ends with the process, and so it is for nobody to close the file. Not flock():
 * that one does not tell.
 */
static int make_lock(const struct khv_names *names, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char file[FILE_MAX];
	int fd;

	file_of(file, name, LOCK_SUFFIX);
	fd = openat(names->dir, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return khv_fail("make", file, NULL, "in %s: %m", names->path);
	if (!fcntl(fd, F_SETLK, &lock))
		return 0;
	khv_fail("lock", file, NULL, "in %s: %m", names->path);
	close(fd);
	unlinkat(names->dir, file, 0);
	return -1;
}

static int bind_locked(const struct khv_names *names, int fd, const struct sockaddr_un *addr,
		       const char *name)
{
	mode_t mask;
	pid_t owner;
	int err;

	if (!remove_dead(names, name, addr, &owner)) {
		if (!owner)
			return khv_fail("take the name", name, "choose another name",
					"there is %s, and it cannot be told whose it is",
					addr->sun_path);
		return khv_fail("take the name", name, "choose another name, or end that one: "
				"'khv stop' or 'khv kill'",
				"a VM of that name is running, process %d", owner);
	}
	mask = umask(0177);
	err = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	umask(mask);
	if (err)
		return khv_fail("make", addr->sun_path, NULL, "%m");
	/* Before the lock is released: one that does not listen passes for dead. */
	if (listen(fd, CONNECTIONS))
		khv_fail("listen on", addr->sun_path, NULL, "%m");
	else if (!make_lock(names, name))
		return 0;
	unlink(addr->sun_path);
	return -1;
}

int khv_name_claim(struct khv_names *names, const char *name)
{
	struct sockaddr_un addr = address(names, name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return khv_fail("make", addr.sun_path, NULL, "socket: %m");
	if (flock(names->dir, LOCK_EX)) {
		khv_fail("lock", names->path, NULL, "%m");
		close(fd);
		return -1;
	}
	err = bind_locked(names, fd, &addr, name);
	flock(names->dir, LOCK_UN);
	if (err) {
		close(fd);
		return -1;
	}
	return fd;
}

int khv_name_open_log(const struct khv_names *names, const char *name)
{
	char file[FILE_MAX];
	int fd;

	file_of(file, name, LOG_SUFFIX);
	fd = openat(names->dir, file,
		    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return khv_fail("open the log", file, NULL, "in %s: %m", names->path);
	return fd;
}

const char *khv_name_why(void)
{
	switch (errno) {
	case EAGAIN:
		return "it does not answer";
	case EXDEV:
		return "it is not a VM of whom the folder is";
	default:
		return strerror(errno);
	}
}

int khv_name_connect(struct khv_names *names, const char *name, bool quiet)
{
	struct sockaddr_un addr = address(names, name);
	int fd = try_connect(&addr, 0);
	pid_t owner;
	int err = errno;

	/* In a user's folder there may be links to VMs of others, which root must not follow. */
	if (fd >= 0 && peer(fd).uid == names->uid)
		return fd;
	if (fd >= 0) {
		close(fd);
		err = EXDEV;
	}
	/* And he could hold the lock for ever, so what is dead there is his to remove. */
	if (err == ECONNREFUSED && names->uid == geteuid() && !flock(names->dir, LOCK_EX)) {
		remove_dead(names, name, &addr, &owner);
		flock(names->dir, LOCK_UN);
	}
	if (err == ECONNREFUSED)
		err = ENOENT;
	errno = err;
	if (!quiet && err == ENOENT)
		khv_fail("find", name, "'khv ps' lists those that run", "no VM of that name runs");
	else if (!quiet)
		khv_fail("reach", name, NULL, "%s", khv_name_why());
	errno = err;
	return -1;
}

/* The number of a process, or less than 1 when it is gone. While it is not, nobody else has it. */
static pid_t number_of(int process)
{
	char path[48], line[128];
	int pid = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", process);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Pid: %d", &pid) != 1)
		;
	if (f)
		fclose(f);
	return pid;
}

/* Whether it is all that user's: what became of whoever began to listen may be somebody else's. */
static bool belongs_to(int process, uid_t uid)
{
	uid_t real = (uid_t)-1, effective = (uid_t)-1, saved = (uid_t)-1;
	char path[48], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", number_of(process));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) &&
	       sscanf(line, "Uid: %u %u %u", &real, &effective, &saved) != 3)
		;
	if (f)
		fclose(f);
	return real == uid && effective == uid && saved == uid && number_of(process) > 0;
}

/*
 * Linux before 6.5 knows the number alone, which is another's by now if that one is gone. While
 * the connection stands, it is not.
 */
static int process_by_number(int fd)
{
	int process = (int)syscall(SYS_pidfd_open, peer(fd).pid, 0);
	struct pollfd pfd = { .fd = fd };

	if (process >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP) {
		close(process);
		errno = ECONNRESET;
		return -1;
	}
	return process;
}

/* With a name's file of another user's anybody could be handed to us. */
static int checked(const struct khv_names *names, int process)
{
	if (process < 0 || names->uid == geteuid() || belongs_to(process, names->uid))
		return process;
	close(process);
	errno = EXDEV;
	return -1;
}

int khv_name_process(const struct khv_names *names, int fd)
{
	socklen_t len = sizeof(int);
	int process = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &len)) {
		process = -1;
		/* EINVAL is what kernels before 6.16 say of one that is gone. */
		if (errno == ENOPROTOOPT)
			process = process_by_number(fd);
		else if (errno == EINVAL)
			errno = ESRCH;
	}
	return checked(names, process);
}

/* Who has a lock on the file, or less than 1. */
static pid_t lock_owner(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

int khv_name_holder(const struct khv_names *names, const char *name)
{
	char file[FILE_MAX];
	int fd, process = -1;
	struct stat st;
	pid_t pid;

	file_of(file, name, LOCK_SUFFIX);
	/* It may be the user's who is looked at: not to wait for, and not another's. */
	fd = openat(names->dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			errno = ESRCH;
		return -1;
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == names->uid) {
		pid = lock_owner(fd);
		process = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
		/* Who has the number now and holds the lock is who we mean. */
		if (process >= 0 && lock_owner(fd) != pid) {
			close(process);
			process = -1;
		}
	}
	close(fd);
	errno = ESRCH;
	return checked(names, process);
}

pid_t khv_name_pid(struct khv_names *names, const char *name)
{
	int fd = khv_name_connect(names, name, true);
	pid_t pid = 0;

	if (fd >= 0) {
		pid = peer(fd).pid;
		close(fd);
	}
	return pid;
}

bool khv_names_are_here(void)
{
	return getenv("KHV_RUNTIME_DIR") || !geteuid() || getenv("XDG_RUNTIME_DIR");
}

static int is_socket(const struct dirent *entry)
{
	const char *suffix = strrchr(entry->d_name, '.');
	char name[sizeof(entry->d_name)];

	if (!suffix || strcmp(suffix, SOCKET_SUFFIX))
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(suffix - entry->d_name), entry->d_name);
	return khv_name_is_valid(name);
}

int khv_names_list(const struct khv_names *names, char ***list)
{
	struct dirent **entry;
	int n = scandirat(names->dir, ".", &entry, is_socket, alphasort);

	if (n < 0)
		return khv_fail("read", names->path, NULL, "%m");
	*list = calloc((size_t)n + 1, sizeof(**list));
	for (int i = 0; i < n; i++) {
		size_t len = strlen(entry[i]->d_name) - strlen(SOCKET_SUFFIX);

		if (*list)
			(*list)[i] = strndup(entry[i]->d_name, len);
		free(entry[i]);
	}
	free(entry);
	return *list ? n : khv_fail("read", names->path, NULL, "no memory");
}
