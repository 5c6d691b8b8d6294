// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a whole file into memory. Knows nothing of what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "khv.h"

#define FIRST_CHUNK (1u << 20)

/* How much to allocate first: the size of a regular file, and one byte to see its end. */
static size_t first_size(int fd, uint64_t max)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uint64_t)st.st_size <= max)
		return (size_t)st.st_size + 1;
	return FIRST_CHUNK;
}

static int read_all(struct khv_blob *blob, int fd, const char *what, uint64_t max)
{
	size_t room = first_size(fd, max);

	blob->data = malloc(room);
	if (!blob->data)
		return khv_fail(what, blob->path, NULL, "no memory for its contents");
	for (;;) {
		ssize_t n = read(fd, blob->data + blob->size, room - blob->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return khv_fail(what, blob->path, NULL, "%m");
		if (!n)
			return 0;
		blob->size += (size_t)n;
		if (blob->size > max)
			return khv_fail(what, blob->path, NULL,
					"larger than the limit of %" PRIu64 " bytes", max);
		if (blob->size == room) {
			uint8_t *bigger = realloc(blob->data, room * 2);

			if (!bigger)
				return khv_fail(what, blob->path, NULL,
						"no memory for its contents");
			blob->data = bigger;
			room *= 2;
		}
	}
}

int khv_blob_read(struct khv_blob *blob, const char *path, const char *what, uint64_t max)
{
	char doing[64];
	int fd, err;

	*blob = (struct khv_blob){ .path = path };
	snprintf(doing, sizeof(doing), "read the %s", what);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return khv_fail(doing, path, NULL, "%m");
	err = read_all(blob, fd, doing, max);
	close(fd);
	if (err)
		khv_blob_free(blob);
	return err;
}

void khv_blob_free(struct khv_blob *blob)
{
	free(blob->data);
	blob->data = NULL;
	blob->size = 0;
}
