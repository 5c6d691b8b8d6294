/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The signals that the running machine handles.
 */
#ifndef KHV_TOOL_SIGNALS_H
#define KHV_TOOL_SIGNALS_H

/*
 * Block them in this thread and those it creates, make the kick signal harmless, and
 * ignore SIGPIPE. The kick signal and those of faults are unblocked. Returns a signalfd,
 * or -1 after a message.
 */
int khv_signals_open(void);

/* The signal that is waiting, or 0. */
int khv_signals_read(int fd);

/* Stop this process as SIGTSTP does, and return when it is continued. */
void khv_signals_suspend(void);

#endif
