// SPDX-License-Identifier: Apache-2.0
/*
 * A known load: signals to the init of a PID namespace of its own, which has no handler and so never notices.
 *
 *   storm SIGNAL COUNT SENDERS RATE
 *
 * Each of SENDERS processes calls kill() COUNT times, RATE a second (0: as fast as it can), in blocks. Prints one
 * JSON object: the namespace's inode, its init's PID and the median, over all blocks, of nanoseconds per kill(): of thread CPU
 * time, or, at a given rate, of the time spent inside kill(). Exits non-zero if any kill() fails.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 1000
#define STACK (64 * 1024)

struct load {
	pid_t target;
	int signal;
	long blocks;
	double rate;
};

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int sleep_for_ever(void *ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(*(int *)ready, "", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static pid_t namespace_init(void)
{
	static char stack[STACK];
	int ready[2];
	char byte;

	if (pipe(ready))
		err(1, "pipe");
	pid_t pid = clone(sleep_for_ever, stack + STACK, CLONE_NEWPID | SIGCHLD, &ready[1]);
	if (pid < 0)
		err(1, "clone(CLONE_NEWPID)");
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "the namespace's init did not start");
	return pid;
}

static void send_one(const struct load *load)
{
	if (kill(load->target, load->signal))
		err(1, "kill");
}

/* Nanoseconds per kill() of one block, flat out. */
static double flat_out(const struct load *load)
{
	double start = now(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < BLOCK; i++)
		send_one(load);
	return (now(CLOCK_THREAD_CPUTIME_ID) - start) / BLOCK;
}

/* Nanoseconds per kill() of one block, paced; *next is when the next one is due. */
static double paced(const struct load *load, double *next)
{
	double inside = 0;

	for (int i = 0; i < BLOCK; i++) {
		double start;

		while ((start = now(CLOCK_MONOTONIC)) < *next)
			;
		*next += 1e9 / load->rate;
		send_one(load);
		inside += now(CLOCK_MONOTONIC) - start;
	}
	return inside / BLOCK;
}

static void send_all(const struct load *load, double *costs)
{
	double next = now(CLOCK_MONOTONIC);

	for (long i = 0; i < load->blocks; i++)
		costs[i] = load->rate > 0 ? paced(load, &next) : flat_out(load);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		errx(2, "usage: storm SIGNAL COUNT SENDERS RATE");
	int senders = atoi(argv[3]), failed = 0, status;
	struct load load = { namespace_init(), atoi(argv[1]), atol(argv[2]) / BLOCK, atof(argv[4]) };
	size_t all = load.blocks * senders;
	if (!all)
		errx(2, "COUNT must be at least %d", BLOCK);
	double *costs = mmap(NULL, all * sizeof(*costs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (costs == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < senders; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			send_all(&load, costs + i * load.blocks);
			_exit(0);
		}
	}
	for (int i = 0; i < senders; i++)
		failed |= wait(&status) < 0 || status;
	struct stat ns;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", load.target);
	if (stat(path, &ns))
		err(1, "%s", path);
	kill(load.target, SIGKILL);
	waitpid(load.target, NULL, 0);
	qsort(costs, all, sizeof(*costs), compare);
	printf("{\"nsid\": %lu, \"target\": %d, \"sent\": %zu, \"ns\": %.1f}\n", (unsigned long)ns.st_ino, load.target,
	       all * BLOCK, costs[all / 2]);
	return failed;
}
