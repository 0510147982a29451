/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_EVENT_H
#define FTQ_EVENT_H

int ftq_event_init(void);
void ftq_event_exit(void);

#endif /* FTQ_EVENT_H */
