/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire format: the structs that the programs in sigtrace.bpf.c share with user space.
 *
 * This file is the only definition. The C compiler reads it through sigtrace.bpf.c, and sigtrace/events/wire.py
 * parses it to build the numpy dtypes and the names of the enums. Therefore use plain integer types and char arrays,
 * one member per line, explicit padding and no conditional parts. The name of an enumerator is its lower-case text
 * after the first underscore; *_NONE is shown as the empty string.
 */
#ifndef SIGTRACE_H
#define SIGTRACE_H

enum sigtrace_stage {
	STAGE_GENERATE,
	STAGE_DELIVER,
	STAGE_EXIT,
	STAGE_INIT,
	STAGE_EXEC,
};

enum sigtrace_disposition {
	DISPOSITION_NONE,
	DISPOSITION_DEFAULT,
	DISPOSITION_IGNORE,
	DISPOSITION_HANDLER,
};

/* How the sender's PID namespace is related to the target's: an ancestor contains it. */
enum sigtrace_relation {
	RELATION_NONE,
	RELATION_SAME,
	RELATION_ANCESTOR,
	RELATION_DESCENDANT,
	RELATION_OTHER,
	RELATION_KERNEL,
	RELATION_SELF,
};

/* The state of the target at that moment, as bits of `flags`. */
enum sigtrace_flag {
	FLAG_UNKILLABLE = 1,  /* signal->flags & SIGNAL_UNKILLABLE */
	FLAG_BLOCKED = 2,     /* the signal is in task->blocked or task->real_blocked */
	FLAG_EXITING = 4,     /* signal->flags & SIGNAL_GROUP_EXIT, or dumping core */
	FLAG_TRACED = 8,      /* task->ptrace is not 0 */
	FLAG_KTHREAD = 16,    /* task->flags & PF_KTHREAD */
	FLAG_INIT = 32,       /* the thread group is PID 1 of its active namespace */
	FLAG_GROUP = 64,      /* the signal is for the whole thread group */
	FLAG_NOINFO = 128,    /* sent with SEND_SIG_NOINFO; at deliver: a thread of a process that dies */
};

/* How the sender stood to the target at that moment, as bits of `sender_flags`. */
enum sigtrace_sender_flag {
	SENDER_EXITING = 1,   /* task->flags & PF_EXITING */
	SENDER_TRACER = 2,    /* it is attached to the target with ptrace */
};

/* Which records go to the ring. The counts include everything that passes the other filters. */
enum sigtrace_scope {
	SCOPE_DROPS,  /* the two drop points, for namespace inits */
	SCOPE_INITS,  /* every record about a namespace init, and what it passes on to members of its namespace */
	SCOPE_ALL,
};

/*
 * A record. Times are ns of CLOCK_BOOTTIME. PIDs are those of the initial PID namespace, except *_ns_pid.
 *
 * sender_* is the process that sent the signal. context_* is the task in whose context the kernel itself sent it: who
 * called reboot(2) or closed the terminal, or whoever happened to run when a timer expired. At most one of them is set.
 */
struct sigtrace_event {
	__u64 time;
	__u64 seq;            /* records of this stage on this CPU before this one, lost ones included */
	__u64 ns_start;       /* start_boottime of the namespace's init: tells reused inodes apart */
	__u64 target_start;   /* start_boottime of the target's group leader: tells reused pids apart */
	__u64 sender_start;
	__u32 nsid;           /* inode of the target's active PID namespace */
	__u32 sender_nsid;
	__s32 target_pid;
	__s32 target_tid;
	__s32 target_ns_pid;
	__s32 sender_pid;
	__s32 sender_tid;
	__u32 sender_uid;
	__s32 sender_parent_pid;
	__s32 context_pid;
	__u32 context_nsid;
	__s32 code;           /* si_code */
	__s32 exit_code;      /* as wait(2) reports it: status << 8 | signal */
	__u16 cpu;
	__u8 stage;
	__u8 signal;
	__s8 result;          /* TRACE_SIGNAL_* at generate, else -1 */
	__u8 disposition;
	__u8 relation;
	__u8 flags;
	__u8 ns_level;
	__u8 sender_ns_level;
	__u8 sender_flags;
	__u8 pad;
	__u32 thinned;        /* of the same kind on this CPU since the last record of it: counted, without a record */
	__u32 pad2;
	char target_comm[16]; /* of the group leader */
	char sender_comm[16];
	char sender_parent_comm[16];
	char context_comm[16];
};

/* The key of the exact counts: for each namespace, the facts that a verdict is derived from. */
struct sigtrace_count_key {
	__u64 ns_start;
	__u32 nsid;
	__u8 stage;
	__u8 signal;
	__s8 result;
	__u8 disposition;
	__u8 relation;
	__u8 flags;
	__u16 pad;
	__u32 pad2;
};

/*
 * What is known of a kind of event, that is of a count key: one per CPU. In a flood of one kind only the first records
 * of each window of time are written; the others are thinned, which means counted only.
 */
struct sigtrace_count {
	__u64 count;
	__u64 thinned;        /* of these: no record was written, though it was in scope */
	__u32 window;         /* jiffies at the beginning of the current window */
	__u16 kept;           /* records in this window */
	__u16 untold;         /* thinned since the last record */
};

/* One per CPU: how many records were written and lost. */
struct sigtrace_cpu {
	__u64 committed[5];   /* by stage: in the ring */
	__u64 lost[5];        /* by stage: the ring was full */
	__u64 uncounted;      /* the counts table was full */
	__u64 woke;           /* when this CPU last woke the reader */
};

/* Set and changed by user space while the programs run. */
struct sigtrace_config {
	__u64 signals;        /* signals that pass: bit n-1 for signal n; stages without a signal pass only if all do */
	__u64 harmless;       /* signals whose default action is to do nothing: never a drop */
	__u64 wake_ns;        /* least time between two wake-ups of the reader by one CPU */
	__u32 scope;
	__u32 ns_filter;      /* 0: every namespace; 1: those in `namespaces`; 2: all but those excluded there */
	__u64 announce;       /* births and execs of inits go to the ring whatever `scope` and `signals` say */
	__u32 budget;         /* records of a kind in a window, on each CPU; 0: all */
	__u32 window;         /* in jiffies */
};

/* The value in the map `namespaces`, whose key is the inode. */
struct sigtrace_ns_filter {
	__u64 start_ticks;    /* start of its init in clock ticks of CLOCK_BOOTTIME; 0: any */
	__u64 descendants;    /* include the namespaces below it */
	__u64 excluded;       /* leave this namespace out */
};

#endif
