// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kernels that look for mistakes have to find: a module that makes one, when it is
 * loaded. Only for guests of fault/run, which shows that a run then fails.
 */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *kind = "none";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "which mistake to make");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_RAW_SPINLOCK(raw);
static DEFINE_SPINLOCK(spin);
static int shared;

static void use_after_free(void)
{
	int *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	/* The compiler sees what this is, and would leave it out */
	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(*p, 1);
}

static void sleep_in_atomic(void)
{
	raw_spin_lock(&raw);
	mutex_lock(&first);
	mutex_unlock(&first);
	raw_spin_unlock(&raw);
}

/* Good but with PREEMPT_RT, where a spin lock sleeps */
static void spin_in_atomic(void)
{
	preempt_disable();
	spin_lock(&spin);
	spin_unlock(&spin);
	preempt_enable();
}

static void invert_locks(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

/* Several: the address of the last one may lie on a stack for long */
static void leak(void)
{
	void *p;
	int i;

	for (i = 0; i < 16; i++) {
		p = kmalloc(128, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

static void shift_too_far(void)
{
	int by = 40;

	OPTIMIZER_HIDE_VAR(by);
	WRITE_ONCE(shared, 1 << by);
}

static int count(void *unused)
{
	while (!kthread_should_stop()) {
		shared++;
		cond_resched();
	}
	return 0;
}

static void race(void)
{
	struct task_struct *task[2];
	int i;

	for (i = 0; i < ARRAY_SIZE(task); i++)
		task[i] = kthread_run(count, NULL, "fault/%d", i);
	/* As long as it takes to be seen, which is a matter of chance */
	ssleep(5);
	for (i = 0; i < ARRAY_SIZE(task); i++)
		if (!IS_ERR(task[i]))
			kthread_stop(task[i]);
}

static const struct {
	const char *kind;
	void (*make)(void);
} faults[] = {
	{ "use-after-free", use_after_free },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "spin-in-atomic", spin_in_atomic },
	{ "lock-inversion", invert_locks },
	{ "leak", leak },
	{ "undefined", shift_too_far },
	{ "race", race },
};

static int __init fault_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!strcmp(kind, faults[i].kind)) {
			faults[i].make();
			return 0;
		}
	}
	return strcmp(kind, "none") ? -EINVAL : 0;
}

static void __exit fault_exit(void)
{
}

module_init(fault_init);
module_exit(fault_exit);
MODULE_DESCRIPTION("Mistakes, for kernels that look for them");
MODULE_LICENSE("GPL");
