/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Record what the kernel does with each signal, at the points where it decides: signal_generate and signal_deliver.
 * Also record the exit of processes, and the birth and exec of namespace inits.
 *
 * Compiled by bcc without kernel headers. Each O_* and S_* macro is an offset or size taken from the running
 * kernel's BTF (sigtrace/live/kernel/btf.py). With DIRECT the programs are BTF tracepoints and follow typed pointers
 * by plain loads; without it they are raw tracepoints and read through bpf_probe_read_kernel(). Both kinds get their
 * arguments as an array of u64, so one program text serves both.
 *
 * A signal passes these filters in order: the signal's number, the target's PID namespace, then (for the ring only)
 * the scope. They run here and not in user space because a storm of signals to other processes would fill the ring.
 */
#include "sigtrace.h"

#define SIGNAL_GROUP_EXIT 0x00000004  /* include/linux/sched/signal.h */
#define SIGNAL_GROUP_COREDUMP 0x00000008 /* before v5.17; unused since */
#define SIGNAL_UNKILLABLE 0x00000040
#define PF_KTHREAD 0x00200000         /* include/linux/sched.h */
#define PF_EXITING 0x00000004
#define SI_KERNEL 0x80                /* include/uapi/asm-generic/siginfo.h: positive codes come from the kernel, */
#define SI_TIMER -2                   /* and so do, or claim to, -2 to -5: timers, message queues, asynchronous I/O, */
#define SI_SIGIO -5                   /* SIGIO */
#define LEAST_STACK 16384             /* THREAD_SIZE is this or more on x86-64 and arm64 */
#define SIGKILL 9
#define SIGSTOP 19
#define SIGRTMIN 32                   /* the kernel's, not libc's: real-time signals queue up, the others coalesce */
#define ALL_SIGNALS (~0ULL)
#define TICK_NS 10000000ULL           /* unit of times in /proc: 1 s / USER_HZ, nsec_to_clock_t() */
#define NO_RESULT -1
#define QUEUED 0                      /* TRACE_SIGNAL_DELIVERED, include/trace/events/signal.h */
#define IGNORED 1                     /* TRACE_SIGNAL_IGNORED */
#define LOSE_INFO 4                   /* TRACE_SIGNAL_LOSE_INFO */
#define ALL_BUT_EXCLUDED 2            /* sigtrace_config.ns_filter */
#define NS_SHARES 4                   /* a namespace may use this many budgets of a kind in a window */
#define OUTERMOST_SHARES 16           /* and a namespace below the initial one with all in it, this many */
#define UNTOLD_MAX 0xffff             /* sigtrace_count.untold */

#ifndef NULL
#define NULL ((void *)0)
#endif
#define READ(T, p, off) ({ T v_ = 0; bpf_probe_read_kernel(&v_, sizeof(v_), (void *)(p) + (off)); v_; })
#ifdef DIRECT
#define LOAD(T, p, off) (*(T *)((void *)(p) + (off)))
#else
#define LOAD READ
#endif

/* task->comm, 16 bytes, as two loads */
#define COPY_COMM(VIA, to, task)                                              \
	do {                                                                  \
		((u64 *)(to))[0] = VIA(u64, task, O_TASK_COMM);               \
		((u64 *)(to))[1] = VIA(u64, task, O_TASK_COMM + 8);           \
	} while (0)

/* The current task. Plain loads need the typed pointer of bpf_get_current_task_btf(), helper 158. */
#ifdef DIRECT
#define CURRENT() ((void *)((u64 (*)(void))158)())
#else
#define CURRENT() ((void *)bpf_get_current_task())
#endif

/* Coarse time at next to no cost: the verifier makes a load of this helper, number 118. */
#define JIFFIES() ((u32)((u64 (*)(void))118)())

struct sender_key {
	u32 pid;
	u32 signal;
};

/* A PID namespace. */
struct ns_key {
	u64 start;
	u64 inum;
};

/* How much detail a namespace had, on each CPU; as in sigtrace_count. */
struct share {
	u32 window;
	u32 kept;
};

/* A process. */
struct process_key {
	u64 start;
	u64 pid;
};

BPF_TABLE("array", int, struct sigtrace_config, config, 1);
BPF_TABLE("hash", u32, struct sigtrace_ns_filter, namespaces, 2048);
BPF_TABLE("percpu_hash", struct sigtrace_count_key, struct sigtrace_count, counts, 16384);
BPF_TABLE("lru_percpu_hash", struct ns_key, struct share, shares, 1024);
BPF_TABLE("percpu_array", int, struct sigtrace_cpu, cpus, 1);
/*
 * The sender of each signal that is pending for an init: signal_deliver does not tell the sender. Entries are never
 * deleted, so the LRU makes room; key.pid may be reused by then, which target_start detects.
 */
BPF_TABLE("lru_hash", struct sender_key, struct sigtrace_event, pending, 1024);
/* Keeps a whole event off the BPF stack, which has 512 bytes. */
BPF_TABLE("percpu_array", int, struct sigtrace_event, scratch, 1);
/* Processes whose exit is recorded, for kernels whose tracepoint does not tell which thread is the last. */
BPF_TABLE("lru_hash", struct process_key, u64, exited, 1024);
/* Members of a namespace that its init has passed signals on to: bit n-1 for signal n. See passed_on(). */
BPF_TABLE("lru_hash", struct process_key, u64, followed, 8192);
BPF_RINGBUF_OUTPUT(events, 8);

/* The PID namespace that a task lives in, by its struct pid; its children may be born in another (nsproxy). */
struct place {
	u64 start;  /* start_boottime of the namespace's init */
	u32 nr;     /* the task's PID in that namespace */
	u32 inum;   /* inode of the namespace; unique among living namespaces only */
};

/*
 * child_reaper may be any thread of the init: find_child_reaper() in kernel/exit.c passes the role on when a thread
 * exits. The group leader's start is the one that /proc shows.
 */
#define DEFINE_PLACE(name, VIA)                                                                                  \
	static __always_inline void name(struct place *at, void *pid, u32 level, const int with_start)           \
	{                                                                                                        \
		void *ns = VIA(void *, pid, O_PID_NUMBERS + level * S_UPID + O_UPID_NS);                         \
                                                                                                                 \
		at->nr = VIA(u32, pid, O_PID_NUMBERS + level * S_UPID + O_UPID_NR);                              \
		at->inum = VIA(u32, ns, O_NS_INUM);                                                              \
		if (with_start) {                                                                                \
			void *init = VIA(void *, ns, O_NS_CHILD_REAPER);                                         \
			void *leader = VIA(void *, init, O_TASK_GROUP_LEADER);                                   \
			at->start = VIA(u64, leader, O_TASK_START_BOOTTIME);                                     \
		}                                                                                                \
	}
DEFINE_PLACE(place_load, LOAD)
DEFINE_PLACE(place_read, READ)

/*
 * The verifier follows typed pointers at constant offsets only, so each level that gets plain loads is spelled
 * out. Deeper levels, and all but the first where struct pid still ends in numbers[1], use bpf_probe_read_kernel().
 */
static __always_inline void place_at(struct place *at, void *pid, u32 level, const int with_start)
{
#ifdef DIRECT
	if (level == 0) {
		place_load(at, pid, 0, with_start);
		return;
	}
#ifdef NUMBERS_FLEXIBLE
	if (level == 1) {
		place_load(at, pid, 1, with_start);
		return;
	}
	if (level == 2) {
		place_load(at, pid, 2, with_start);
		return;
	}
#endif
#endif
	/* A level is at most MAX_PID_NS_LEVEL, 32: the mask only gives the verifier a bound for the offset. */
	place_read(at, pid, level & 63, with_start);
}

/* The facts that decide whether a record is counted and kept. Only records for the ring get the other fields. */
struct facts {
	void *task;
	void *leader;
	void *pid;
	struct place at;
	u32 level;
	struct sigtrace_count_key key;
	struct sigtrace_count *row; /* of `key`; NULL: not counted, or the table is full */
};

/*
 * `current`: the sender, or the task in whose context the kernel itself sent the signal.
 *
 * Its typed pointers are loaded once, at the beginning: at every load of one, verifiers up to Linux 6.18 search all
 * types of the kernel for its name (btf_nested_type_is_trusted()), on each path that leads to the load.
 */
struct origin {
	void *task;  /* NULL: not read */
	void *leader;
	void *pid;
	void *parent;
	void *cred;
	struct place at;
	u32 level;
	int sent;    /* it is the sender */
};

/*
 * The inode alone does not identify a namespace: proc_alloc_inum() reuses it at once. User space knows the start of
 * the init from /proc, which rounds it down to a tick.
 */
static __always_inline int same_start(struct sigtrace_ns_filter *filter, u64 start)
{
	return !filter->start_ticks || filter->start_ticks == start / TICK_NS;
}

/*
 * Does the target's namespace pass the filter? When containers are followed (ALL_BUT_EXCLUDED), every namespace
 * passes until user space has found out that it belongs to another container: the records of a container's first
 * milliseconds would be lost otherwise.
 */
static __always_inline int passes_namespaces(void *pid, u32 level, struct sigtrace_count_key *key, u32 mode)
{
	u32 inum = key->nsid;
	struct sigtrace_ns_filter *filter = namespaces.lookup(&inum);
	int listed = filter && same_start(filter, key->ns_start);

	if (mode == ALL_BUT_EXCLUDED)
		return !(listed && filter->excluded);
	if (listed)
		return 1;
	/* MAX_PID_NS_LEVEL is 32. Not unrolled, to keep the program small. */
#pragma clang loop unroll(disable)
	for (u32 above = 0; above < 32; above++) {
		struct place at = {};

		if (above >= level)
			break;
		place_read(&at, pid, above, 1);
		filter = namespaces.lookup(&at.inum);
		if (filter && filter->descendants && same_start(filter, at.start))
			return 1;
	}
	return 0;
}

/*
 * Read the target, its namespace and its flags. Returns 0 if the namespace filter leaves it out. The thread that
 * the signal is aimed at has the ptrace and task flags; the process is identified by its group leader.
 */
static __always_inline int read_target(struct facts *f, void *task, struct sigtrace_config *cfg)
{
	void *leader = LOAD(void *, task, O_TASK_GROUP_LEADER);
	void *pid = LOAD(void *, leader, O_TASK_THREAD_PID);
	void *signal = LOAD(void *, task, O_TASK_SIGNAL);
	u32 signal_flags = LOAD(u32, signal, O_SIGNAL_FLAGS);

	f->task = task;
	f->leader = leader;
	f->pid = pid;
	f->level = LOAD(u32, pid, O_PID_LEVEL);
	place_at(&f->at, pid, f->level, 1);
	f->key.nsid = f->at.inum;
	f->key.ns_start = f->at.start;
	f->key.flags = (signal_flags & SIGNAL_UNKILLABLE ? FLAG_UNKILLABLE : 0) |
		       (signal_flags & (SIGNAL_GROUP_EXIT | SIGNAL_GROUP_COREDUMP) ? FLAG_EXITING : 0) |
		       (LOAD(u32, task, O_TASK_PTRACE) ? FLAG_TRACED : 0) |
		       (LOAD(u32, task, O_TASK_FLAGS) & PF_KTHREAD ? FLAG_KTHREAD : 0) |
		       (f->at.nr == 1 ? FLAG_INIT : 0);
	return !cfg->ns_filter || passes_namespaces(pid, f->level, &f->key, cfg->ns_filter);
}

static __always_inline u8 disposition(u64 handler)
{
	return handler == 0 ? DISPOSITION_DEFAULT : handler == 1 ? DISPOSITION_IGNORE : DISPOSITION_HANDLER;
}

/*
 * What the pointer `info` of the signal tracepoints is: SEND_SIG_NOINFO (0) and SEND_SIG_PRIV (1) are not addresses.
 * The verifier takes the pointer argument of a BTF tracepoint as never NULL and removes a branch that compares it with
 * 0. So compare it with 1 only; OPAQUE() keeps the compiler from turning one comparison into the other.
 */
enum info_kind {
	INFO_NONE,
	INFO_PRIV,
	INFO_REAL,
};
#define OPAQUE(value) asm volatile("" : "+r"(value))

static __always_inline u32 kind_of(void *info)
{
	u64 address = (u64)info;

	OPAQUE(address);
	if (address > 1)
		return INFO_REAL;
	OPAQUE(address);
	return address == 1 ? INFO_PRIV : INFO_NONE;
}

/*
 * si_code as the tracepoint itself prints it (TP_STORE_SIGINFO, include/trace/events/signal.h). READ, not LOAD: newer
 * verifiers take `info` for a plain number (raw_tp_null_args in kernel/bpf/btf.c), and so refuse a direct load.
 */
static __always_inline s32 code_of(void *info, u32 kind)
{
	if (kind == INFO_REAL)
		return READ(s32, info, O_SIGINFO_CODE);
	return kind == INFO_PRIV ? SI_KERNEL : 0;
}

/* Codes that only the kernel uses, but that rt_sigqueueinfo(2) lets any process claim. */
static __always_inline int claims_kernel(s32 code)
{
	return code <= SI_TIMER && code >= SI_SIGIO;
}

/*
 * Did `current` send the signal? For SEND_SIG_NOINFO the kernel itself fills in the PID of current
 * (__send_signal_locked()): it is the writer of cgroup.kill, the dying parent behind PR_SET_PDEATHSIG, or the tracer
 * behind PTRACE_KILL. A siginfo that a process made has a code that is not positive, and lies on the kernel stack of
 * the process, where the system call put it; that of an expired timer is part of the timer.
 */
static __always_inline int sent_by_current(void *info, u32 kind, s32 code)
{
	u64 address = (u64)info, lowest, highest;

	if (kind != INFO_REAL)
		return kind == INFO_NONE;
	if (!claims_kernel(code))
		return code <= 0;
	lowest = READ(u64, CURRENT(), O_TASK_STACK);
	highest = lowest + LEAST_STACK;
	/* The verifier allows no arithmetic with the pointer, only comparisons. */
	OPAQUE(address);
	if (address < lowest)
		return 0;
	OPAQUE(address);
	return address < highest;
}

static __always_inline void load_current(struct origin *from)
{
	void *task = CURRENT();
	void *leader = LOAD(void *, task, O_TASK_GROUP_LEADER);
	void *pid = LOAD(void *, leader, O_TASK_THREAD_PID);

	from->task = task;
	from->leader = leader;
	from->pid = pid;
	from->parent = LOAD(void *, task, O_TASK_REAL_PARENT);
	from->cred = LOAD(void *, task, O_TASK_CRED);
}

static __always_inline void place_current(struct origin *from)
{
	from->level = LOAD(u32, from->pid, O_PID_LEVEL);
	place_at(&from->at, from->pid, from->level, 0);
}

/*
 * How the sender's namespace is related to the target's. A process has a number in its own namespace and in each
 * one above. So the sender's namespace is an ancestor if the target's number at the sender's level belongs to it,
 * and a descendant if the reverse holds.
 */
static __always_inline u8 relation(struct facts *f, struct origin *from)
{
	struct place at = {};

	if ((u64)from->leader == (u64)f->leader)
		return RELATION_SELF;
	if (from->level == f->level)
		return from->at.inum == f->at.inum ? RELATION_SAME : RELATION_OTHER;
	if (from->level < f->level) {
		place_at(&at, f->pid, from->level, 0);
		return at.inum == from->at.inum ? RELATION_ANCESTOR : RELATION_OTHER;
	}
	place_read(&at, from->pid, f->level & 63, 0);
	return at.inum == f->at.inum ? RELATION_DESCENDANT : RELATION_OTHER;
}

static __always_inline u8 sender_flags(struct facts *f, struct origin *from)
{
	u64 tracer = f->key.flags & FLAG_TRACED ? READ(u64, f->task, O_TASK_PARENT) : 0;

	return (LOAD(u32, from->task, O_TASK_FLAGS) & PF_EXITING ? SENDER_EXITING : 0) |
	       (tracer == (u64)from->task ? SENDER_TRACER : 0);
}

static __always_inline void no_context(struct sigtrace_event *e)
{
	e->context_pid = 0;
	e->context_nsid = 0;
	__builtin_memset(e->context_comm, 0, sizeof(e->context_comm));
}

static __always_inline void fill_sender(struct sigtrace_event *e, struct origin *from, struct facts *f)
{
	e->sender_start = LOAD(u64, from->leader, O_TASK_START_BOOTTIME);
	e->sender_pid = LOAD(u32, from->task, O_TASK_TGID);
	e->sender_tid = LOAD(u32, from->task, O_TASK_PID);
	e->sender_uid = LOAD(u32, from->cred, O_CRED_UID);
	e->sender_ns_level = from->level;
	e->sender_nsid = from->at.inum;
	e->sender_parent_pid = LOAD(u32, from->parent, O_TASK_TGID);
	e->sender_flags = sender_flags(f, from);
	COPY_COMM(LOAD, e->sender_comm, from->task);
	COPY_COMM(LOAD, e->sender_parent_comm, from->parent);
	no_context(e);
}

/* Every member of a record has to be written: bpf_ringbuf_reserve() does not clear the memory. */
static __always_inline void no_sender(struct sigtrace_event *e)
{
	e->sender_start = 0;
	e->sender_nsid = 0;
	e->sender_pid = 0;
	e->sender_tid = 0;
	e->sender_uid = 0;
	e->sender_parent_pid = 0;
	e->sender_ns_level = 0;
	e->sender_flags = 0;
	__builtin_memset(e->sender_comm, 0, sizeof(e->sender_comm));
	__builtin_memset(e->sender_parent_comm, 0, sizeof(e->sender_parent_comm));
	no_context(e);
}

/* For a signal that the kernel itself sends: no sender, but `current` as the context. The idle task has PID 0. */
static __always_inline void fill_context(struct sigtrace_event *e, struct origin *from)
{
	no_sender(e);
	e->context_pid = LOAD(u32, from->task, O_TASK_TGID);
	e->context_nsid = from->at.inum;
	COPY_COMM(LOAD, e->context_comm, from->task);
}

/* Fill in who sent the signal, or in whose context the kernel did. */
static __always_inline void fill_origin(struct sigtrace_event *e, struct origin *from, struct facts *f)
{
	if (from->sent)
		fill_sender(e, from, f);
	else
		fill_context(e, from);
}

static __always_inline void copy_sender(struct sigtrace_event *e, struct sigtrace_event *from)
{
	e->sender_start = from->sender_start;
	e->sender_nsid = from->sender_nsid;
	e->sender_pid = from->sender_pid;
	e->sender_tid = from->sender_tid;
	e->sender_uid = from->sender_uid;
	e->sender_parent_pid = from->sender_parent_pid;
	e->sender_ns_level = from->sender_ns_level;
	e->sender_flags = from->sender_flags;
	e->context_pid = from->context_pid;
	e->context_nsid = from->context_nsid;
	__builtin_memcpy(e->sender_comm, from->sender_comm, sizeof(e->sender_comm));
	__builtin_memcpy(e->sender_parent_comm, from->sender_parent_comm, sizeof(e->sender_parent_comm));
	__builtin_memcpy(e->context_comm, from->context_comm, sizeof(e->context_comm));
}

static __always_inline void count(struct facts *f, struct sigtrace_cpu *cpu)
{
	struct sigtrace_count first = {};

	f->row = counts.lookup(&f->key);
	if (!f->row && !counts.update(&f->key, &first))
		f->row = counts.lookup(&f->key);
	if (f->row)
		f->row->count += 1;
	else
		cpu->uncounted += 1;
}

/* Take one of `most` records that a namespace may have in a window. Returns 0 if all are taken. */
static __always_inline int take_share(u64 start, u32 inum, u32 most, u32 now, struct sigtrace_config *cfg)
{
	struct ns_key key = {start, inum};
	struct share first = {now, 1}, *taken = shares.lookup(&key);

	if (!taken) {
		shares.update(&key, &first);
		return 1;
	}
	if (now - taken->window >= cfg->window)
		*taken = first;
	else if (taken->kept >= most)
		return 0;
	else
		taken->kept += 1;
	return 1;
}

/* Take a share of the event's own namespace, and of the outermost one that contains it, usually a container. */
static __always_inline int take_shares(struct facts *f, u32 now, struct sigtrace_config *cfg)
{
	struct place outermost = {};

	if (!take_share(f->at.start, f->at.inum, cfg->budget * NS_SHARES, now, cfg))
		return 0;
	if (f->level < 2)
		return 1;
	place_read(&outermost, f->pid, 1, 1);
	return take_share(outermost.start, outermost.inum, cfg->budget * OUTERMOST_SHARES, now, cfg);
}

/*
 * Is this record to be written, or has its kind had enough detail lately? A flood must neither fill the ring, and so
 * hide what happens elsewhere, nor cost its sender more than being counted does. The first record of a kind in each
 * window is always written: whatever happens is seen.
 */
static __always_inline int keeps_detail(struct facts *f, struct sigtrace_config *cfg)
{
	struct sigtrace_count *row = f->row;
	u32 now;

	if (!row || !cfg->budget)
		return 1;
	now = JIFFIES();
	if (now - row->window >= cfg->window) {
		row->window = now;
		row->kept = 0;
	}
	if (row->kept && row->untold != UNTOLD_MAX && (row->kept >= cfg->budget || !take_shares(f, now, cfg))) {
		row->thinned += 1;
		row->untold += 1;
		return 0;
	}
	row->kept += 1;
	return 1;
}

/*
 * May this be a signal that init protection dropped? User space derives the exact verdict; this is a superset of it.
 * The kernel drops at two points, both only for SIGNAL_UNKILLABLE and SIG_DFL: sig_task_ignored() when the signal is
 * generated, which TRACE_SIGNAL_IGNORED reports, and get_signal() when it is delivered. Signals whose default action
 * is to do nothing (harmless) are discarded for every process, so that is not a drop.
 */
static __always_inline int may_be_drop(struct sigtrace_count_key *key, u64 harmless)
{
	u8 unkillable_init = FLAG_UNKILLABLE | FLAG_INIT;

	return (key->flags & unkillable_init) == unkillable_init && key->disposition == DISPOSITION_DEFAULT &&
	       !(harmless >> ((key->signal - 1) & 63) & 1) &&
	       (key->stage == STAGE_DELIVER || key->result == IGNORED);
}

static __always_inline struct process_key key_of(void *leader)
{
	struct process_key key = {LOAD(u64, leader, O_TASK_START_BOOTTIME), LOAD(u32, leader, O_TASK_TGID)};

	return key;
}

/*
 * Is this an init, or a member to which it has passed a signal on, that sends a signal to a member of its namespace?
 * Many inits only forward: whether a stop succeeds depends on the member then. Remember what the member got, for its
 * delivery and exit. The initial namespace is not a container, and its init stops services all the time. Signals that
 * do nothing by default, as SIGCHLD, are not requests.
 */
static __always_inline int passed_on(struct facts *f, struct sigtrace_config *cfg, struct origin *from)
{
	u64 bit = 1ULL << ((f->key.signal - 1) & 63), *before;
	struct process_key key;

	if (!f->level || f->key.relation != RELATION_SAME ||
	    (cfg->harmless & bit && f->key.disposition != DISPOSITION_HANDLER))
		return 0;
	key = key_of(from->leader);
	if (from->at.nr != 1 && !followed.lookup(&key))
		return 0;
	key = key_of(f->leader);
	before = followed.lookup(&key);
	if (before)
		bit |= *before;
	followed.update(&key, &bit);
	return 1;
}

/* Is this the delivery of a signal that was passed on to this member, or the exit of such a member? */
static __always_inline int is_followed(struct facts *f)
{
	struct process_key key = {};
	u64 *passed;

	if (!f->level || (f->key.stage != STAGE_DELIVER && f->key.stage != STAGE_EXIT))
		return 0;
	key = key_of(f->leader);
	passed = followed.lookup(&key);
	if (!passed)
		return 0;
	return f->key.stage == STAGE_EXIT || *passed >> ((f->key.signal - 1) & 63) & 1;
}

/* Does the record go to the ring? The scope never affects the counts. */
static __always_inline int in_scope(struct facts *f, struct sigtrace_config *cfg, struct origin *from)
{
	if (cfg->scope == SCOPE_ALL)
		return 1;
	if (cfg->scope == SCOPE_INITS) {
		if (f->key.flags & FLAG_INIT)
			return 1;
		return f->key.stage == STAGE_GENERATE ? from->sent && passed_on(f, cfg, from) : is_followed(f);
	}
	return f->key.stage <= STAGE_DELIVER && may_be_drop(&f->key, cfg->harmless);
}

/*
 * User space resolves the container of a namespace from its init's /proc entry, which a short-lived container has
 * for milliseconds only. So births and execs of inits go to the ring whatever the scope is.
 */
static __always_inline int announces(struct sigtrace_config *cfg, const int stage)
{
	return cfg->announce && (stage == STAGE_INIT || stage == STAGE_EXEC);
}

/*
 * Reserve a record in the ring and fill in all members but code, exit_code and the sender's. If the ring is full,
 * count the record as lost and return NULL. seq counts lost records too, so a gap in it shows where they are missing.
 */
static __always_inline struct sigtrace_event *reserve(struct facts *f, struct sigtrace_cpu *cpu, const int stage)
{
	struct sigtrace_event *e = events.ringbuf_reserve(sizeof(struct sigtrace_event));

	if (!e) {
		cpu->lost[stage] += 1;
		return e;
	}
	e->time = bpf_ktime_get_boot_ns();
	e->seq = cpu->committed[stage] + cpu->lost[stage];
	e->ns_start = f->key.ns_start;
	e->target_start = LOAD(u64, f->leader, O_TASK_START_BOOTTIME);
	e->nsid = f->key.nsid;
	e->target_pid = LOAD(u32, f->task, O_TASK_TGID);
	e->target_tid = LOAD(u32, f->task, O_TASK_PID);
	e->target_ns_pid = f->at.nr;
	e->cpu = bpf_get_smp_processor_id();
	e->stage = f->key.stage;
	e->signal = f->key.signal;
	e->result = f->key.result;
	e->disposition = f->key.disposition;
	e->relation = f->key.relation;
	e->flags = f->key.flags;
	e->ns_level = f->level;
	e->pad = 0;
	e->pad2 = 0;
	e->thinned = 0;
	if (f->row) {
		e->thinned = f->row->untold;
		f->row->untold = 0;
	}
	COPY_COMM(LOAD, e->target_comm, f->leader);
	cpu->committed[stage] += 1;
	return e;
}

/*
 * Waking the reader costs more than everything else here, so each CPU does it at most once per wake_ns. No record
 * is left unread: a reader that was woken polls the ring until it has been empty for longer than wake_ns.
 */
static __always_inline void submit(struct sigtrace_event *e, struct sigtrace_cpu *cpu, struct sigtrace_config *cfg)
{
	u64 flags = 1; /* BPF_RB_NO_WAKEUP */

	if (e->time - cpu->woke > cfg->wake_ns) {
		cpu->woke = e->time;
		flags = 2; /* BPF_RB_FORCE_WAKEUP */
	}
	events.ringbuf_submit(e, flags);
}

/*
 * Write the record to the ring if it is in scope and not thinned. The sender, or the context, is `from`, at delivery
 * that of `queued`, the event of the signal's generation.
 */
static __always_inline void record(struct facts *f, struct sigtrace_cpu *cpu, struct sigtrace_config *cfg,
				   const int stage, s32 code, s32 exit_code, struct origin *from,
				   struct sigtrace_event *queued)
{
	struct sigtrace_event *e;

	if ((!in_scope(f, cfg, from) && !announces(cfg, stage)) || !keeps_detail(f, cfg))
		return;
	e = reserve(f, cpu, stage);
	if (!e)
		return;
	e->code = code;
	e->exit_code = exit_code;
	if (stage == STAGE_GENERATE || stage == STAGE_INIT)
		fill_origin(e, from, f);
	else if (queued)
		copy_sender(e, queued);
	else
		no_sender(e);
	submit(e, cpu, cfg);
}

static __always_inline int passes_signals(struct sigtrace_config *cfg, int sig)
{
	return cfg->signals >> ((sig - 1) & 63) & 1;
}

/*
 * Remember who queued a signal for an init, in case it is dropped at delivery. Left out are signals that cannot be
 * dropped there (SIGKILL and SIGSTOP: sig_kernel_only() in get_signal(); harmless ones), real-time signals, of which
 * several may be pending with different senders, and signals that were not queued: TRACE_SIGNAL_ALREADY_PENDING
 * leaves the first sender's signal in place.
 */
static __always_inline void remember_sender(struct facts *f, struct sigtrace_config *cfg, struct origin *from)
{
	int zero = 0, sig = f->key.signal;
	struct sender_key key = {};
	struct sigtrace_event *e;

	if (!(f->key.flags & FLAG_INIT) || sig >= SIGRTMIN || sig == SIGKILL || sig == SIGSTOP)
		return;
	if ((f->key.result != QUEUED && f->key.result != LOSE_INFO) || cfg->harmless >> ((sig - 1) & 63) & 1)
		return;
	e = scratch.lookup(&zero);
	if (!e)
		return;
	key.pid = LOAD(u32, f->task, O_TASK_TGID);
	key.signal = sig;
	e->target_start = f->key.ns_start;
	e->relation = f->key.relation;
	fill_origin(e, from, f);
	pending.update(&key, e);
}

/* signal_generate(sig, info, task, group, result) */
int on_generate(u64 *args)
{
	int zero = 0, sig = (int)args[0];
	void *info = (void *)args[1], *task = (void *)args[2], *sighand;
	struct sigtrace_config *cfg = config.lookup(&zero);
	struct sigtrace_cpu *cpu = cpus.lookup(&zero);
	struct origin from = {};
	struct facts f = {};
	u64 blocked;
	u32 kind;
	s32 code;

	if (!cfg || !cpu || !passes_signals(cfg, sig))
		return 0;
	load_current(&from);
	sighand = LOAD(void *, task, O_TASK_SIGHAND);
	if (!read_target(&f, task, cfg))
		return 0;
	kind = kind_of(info);
	code = code_of(info, kind);
	/* sig_ignored() keeps a signal that is in either mask: its handler may change before it is unblocked. */
	blocked = LOAD(u64, task, O_TASK_BLOCKED) | LOAD(u64, task, O_TASK_REAL_BLOCKED);
	f.key.stage = STAGE_GENERATE;
	f.key.signal = sig;
	f.key.result = (int)args[4];
	/* READ, not LOAD: the offset depends on the signal. Signals are 1 to 64; the mask only bounds the offset. */
	f.key.disposition = disposition(
		READ(u64, sighand, O_SIGHAND_ACTION + (u64)((sig - 1) & 63) * S_SIGACTION + O_SIGACTION_HANDLER));
	f.key.relation = RELATION_KERNEL;
	place_current(&from);
	/* SIGPIPE and SIGXFSZ: a process does not send itself a signal without siginfo, but the kernel does. */
	from.sent = sent_by_current(info, kind, code) &&
		    !(kind == INFO_NONE && (u64)from.leader == (u64)f.leader);
	if (from.sent)
		f.key.relation = relation(&f, &from);
	f.key.flags |= (blocked >> ((sig - 1) & 63) & 1 ? FLAG_BLOCKED : 0) | ((int)args[3] ? FLAG_GROUP : 0) |
		       (kind == INFO_NONE ? FLAG_NOINFO : 0);
	count(&f, cpu);
	remember_sender(&f, cfg, &from);
	record(&f, cpu, cfg, STAGE_GENERATE, code, 0, &from, NULL);
	return 0;
}

/* signal_deliver(sig, info, ka): in get_signal(), before it looks at the handler; current is the target */
int on_deliver(u64 *args)
{
	int zero = 0, sig = (int)args[0];
	void *info = (void *)args[1];
	struct sigtrace_config *cfg = config.lookup(&zero);
	struct sigtrace_cpu *cpu = cpus.lookup(&zero);
	struct sigtrace_event *queued = NULL;
	struct sender_key key = {};
	struct origin from = {};
	struct facts f = {};
	u32 kind;
	s32 code;

	if (!cfg || !cpu || !passes_signals(cfg, sig) || !read_target(&f, CURRENT(), cfg))
		return 0;
	kind = kind_of(info);
	code = code_of(info, kind);
	f.key.stage = STAGE_DELIVER;
	f.key.signal = sig;
	f.key.result = NO_RESULT;
	f.key.disposition = disposition(READ(u64, args[2], O_SIGACTION_HANDLER));
	f.key.relation = kind == INFO_REAL && code <= 0 ? RELATION_NONE : RELATION_KERNEL;
	f.key.flags |= kind == INFO_NONE ? FLAG_NOINFO : 0;
	if (may_be_drop(&f.key, cfg->harmless)) {
		key.pid = bpf_get_current_pid_tgid() >> 32;
		key.signal = sig;
		queued = pending.lookup(&key);
		if (queued && queued->target_start == f.key.ns_start)
			f.key.relation = queued->relation;
		else
			queued = NULL;
	}
	count(&f, cpu);
	record(&f, cpu, cfg, STAGE_DELIVER, code, 0, &from, queued);
	return 0;
}

/*
 * Record the birth, exec or exit of a process: a stage without a signal. A filter by signal leaves these out, except
 * where a birth or exec must reach user space anyway; such a record does not count.
 */
static __always_inline int on_process(void *task, const int stage, s32 exit_code)
{
	int zero = 0;
	struct sigtrace_config *cfg = config.lookup(&zero);
	struct sigtrace_cpu *cpu = cpus.lookup(&zero);
	struct origin from = {};
	struct facts f = {};

	if (!cfg || !cpu || (cfg->signals != ALL_SIGNALS && !announces(cfg, stage)) || !read_target(&f, task, cfg))
		return 0;
	if (stage != STAGE_EXIT && !(f.key.flags & FLAG_INIT))
		return 0;
	f.key.stage = stage;
	f.key.result = NO_RESULT;
	if (stage == STAGE_INIT) {
		load_current(&from);
		place_current(&from);
		from.sent = 1;
		f.key.relation = relation(&f, &from);
	}
	if (cfg->signals == ALL_SIGNALS)
		count(&f, cpu);
	record(&f, cpu, cfg, stage, 0, exit_code, &from, NULL);
	return 0;
}

/* sched_process_exit(task), since v6.16 sched_process_exit(task, group_dead): fires for each thread */
int on_exit(u64 *args)
{
	void *task = (void *)args[0];
	void *signal = LOAD(void *, task, O_TASK_SIGNAL);
	void *leader = LOAD(void *, task, O_TASK_GROUP_LEADER);
	s32 exit_code;

#ifdef EXIT_GROUP_DEAD
	if (!(args[1] & 1))
		return 0;
#else
	/*
	 * do_exit() decrements signal->live before this tracepoint, so threads that exit at the same time may all
	 * read 0: only the first of them is recorded.
	 */
	struct process_key key = key_of(leader);
	u64 one = 1;

	if (READ(s32, signal, O_SIGNAL_LIVE))
		return 0;
	if (exited.insert(&key, &one)) /* BPF_NOEXIST */
		return 0;
#endif
	/* The exit code that wait_task_zombie() reports. */
	exit_code = LOAD(u32, signal, O_SIGNAL_FLAGS) & SIGNAL_GROUP_EXIT ? LOAD(s32, signal, O_SIGNAL_GROUP_EXIT_CODE) :
									    LOAD(s32, leader, O_TASK_EXIT_CODE);
	return on_process(leader, STAGE_EXIT, exit_code);
}

/*
 * sched_process_fork(parent, child): kernel_clone() fires it before wake_up_new_task(), so the birth of an init is
 * recorded before anything that the init does.
 */
int on_fork(u64 *args)
{
	void *child = (void *)args[1];

	if ((u64)LOAD(void *, child, O_TASK_GROUP_LEADER) != (u64)child)
		return 0; /* a new thread */
	return on_process(child, STAGE_INIT, 0);
}

/* sched_process_exec(task, old_pid, bprm): the new program starts with no handlers */
int on_exec(u64 *args)
{
	return on_process((void *)args[0], STAGE_EXEC, 0);
}
