/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine in the background: the process that was started waits until the machine runs,
 * or has failed to start, and then ends with that as its status.
 */
#ifndef KHV_TOOL_DETACH_H
#define KHV_TOOL_DETACH_H

struct khv_detach {
	int ready;	/* pipe to the process that waits */
	int log;	/* for messages from then on; opened by others */
};

/*
 * Go on in a new process, in a session of its own and with /dev/null as standard input and
 * output. Returns 0 there. The old process returns -1 in the end, with its exit status at
 * @status. There must be one thread.
 */
int khv_detach_begin(struct khv_detach *detach, int *status);

/* The machine runs: messages go to the log, and the old process ends. */
void khv_detach_end(struct khv_detach *detach);

#endif
