/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of running VMs: sockets in one folder, which belongs to whoever runs them.
 *
 * A socket whose process is gone stays until somebody looks; who looks, removes it, and
 * nothing that is no socket. Both that and taking a name are done with the folder locked.
 * Beside the socket is a file that the process has locked for its life, which tells who it is
 * when it does not take connections.
 */
#ifndef KHV_TOOL_NAMES_H
#define KHV_TOOL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define KHV_NAME_MAX	48u
#define KHV_NAMES_ROOT	"/run/khv"
#define KHV_NAMES_USERS	"/run/user"	/* UID/khv, unless XDG_RUNTIME_DIR says otherwise */

struct khv_names {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int dir;
	uid_t uid;		/* whose folder it is, and so the VMs in it */
	char prefix[16];	/* what root puts before a user's names: "UID/"; else "" */
};

/* Letters, digits, '.', '_' and '-', of which the last three not first. */
bool khv_name_is_valid(const char *name);

/*
 * The folder of the caller's VMs: $KHV_RUNTIME_DIR; or, for root, /run/khv; or
 * $XDG_RUNTIME_DIR/khv. It must be such that no other user could put something there.
 * With @create it is made if it is missing, and must be the caller's own. Returns 0; 1
 * when there is none, without @create; or -1 after a message.
 */
int khv_names_open(struct khv_names *names, bool create);
/* For root: the folder of the user @uid under KHV_NAMES_USERS. Returns the same. */
int khv_names_open_user(struct khv_names *names, uid_t uid);
/*
 * Visit the folder of khv_names_open(), and for root, if KHV_RUNTIME_DIR names none, those of
 * users. Returns 0, or -1 after a message when there is no telling the first one.
 */
int khv_names_each(void (*visit)(struct khv_names *names, void *ctx), void *ctx);
void khv_names_close(struct khv_names *names);

/*
 * Take @name, for the life of the process. Returns a listening socket that does not block, or -1
 * after a message.
 */
int khv_name_claim(struct khv_names *names, const char *name);
/* Open @name's log for writing, empty. After khv_name_claim(). Returns it, or -1 likewise. */
int khv_name_open_log(const struct khv_names *names, const char *name);

/*
 * Connect to the VM @name, of whom the folder is. Sending and receiving time out after some seconds. Returns the
 * socket; or -1: after a message unless @quiet, and with errno ENOENT when there is no
 * such VM.
 */
int khv_name_connect(struct khv_names *names, const char *name, bool quiet);
/* Why it could not, by errno. */
const char *khv_name_why(void);

/*
 * Of a connection from khv_name_connect(), the VM's process as a descriptor of its own (pidfd). It
 * is that process, or in a folder of another user's one that is all that user's, if the connection
 * stands, or a reply comes, after this. Returns it; or -1 with errno. Quiet.
 */
int khv_name_process(const struct khv_names *names, int fd);
/*
 * The same of who holds @name, whether he takes connections or not; not of one that is older than
 * the lock. In a folder of another user's it is, again, one that is all that user's. Returns it;
 * or -1 with errno. Quiet.
 */
int khv_name_holder(const struct khv_names *names, const char *name);
/* The process of the VM @name, or 0 with errno. Quiet. */
pid_t khv_name_pid(struct khv_names *names, const char *name);

/* Whether khv_names_open() would have a folder's name at all. */
bool khv_names_are_here(void);

/*
 * All names in order, each and the list from malloc(); some may be of VMs that are gone.
 * Returns how many, or -1 after a message.
 */
int khv_names_list(const struct khv_names *names, char ***list);

#endif
