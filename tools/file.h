/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the files a user names, all of which are untrusted.
 */
#ifndef KHV_TOOL_FILE_H
#define KHV_TOOL_FILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A file's contents, read once into memory of our own: whoever changes or
 * truncates the file later cannot change what was checked.
 */
struct khv_blob {
	const char *path;	/* as given by the user, for messages; not owned */
	uint8_t *data;
	size_t size;
};

/*
 * Read all of @path, which may also be a pipe. @what says what it is ("kernel").
 * Files larger than @max bytes are refused. Returns 0, or -1 after a message.
 */
int khv_blob_read(struct khv_blob *blob, const char *path, const char *what, uint64_t max);
void khv_blob_free(struct khv_blob *blob);

#endif
