/*
 * A limit on our own processor time.
 */

#ifndef WATCHDOG_H
#define WATCHDOG_H

void	 watchdog_feed(void);
void	 watchdog_rest(void);

#endif
