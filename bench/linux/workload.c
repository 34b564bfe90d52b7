/* SPDX-License-Identifier: MIT */
/*
 * The Linux guest's workloads: what a kernel is asked for, over and over, timed
 * by the TSC. One line each on standard output,
 *     bench: NAME COUNT TICKS
 * after the monitor's own line of events, where one listens (vm/marks.c).
 *   workload all PERCENT        every workload, with so much of its count
 *   workload run NAME CMD...    one command, timed as a whole
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK_PORT 0xe8
enum { MARK_BEGIN = 1, MARK_END = 2, MARK_TELL = 3 };

static const char *self;

static unsigned long long rdtsc(void)
{
	unsigned low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long long)high << 32 | low;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void wait_for(pid_t child)
{
	int status;

	if (child < 0)
		fail("fork");
	if (waitpid(child, &status, 0) != child || status)
		fail("waitpid");
}

static void forkwait(unsigned n)
{
	while (n--) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		wait_for(child);
	}
}

static void exec(unsigned n)
{
	while (n--) {
		pid_t child = fork();

		if (!child) {
			execl(self, self, "nothing", NULL);
			_exit(1);
		}
		wait_for(child);
	}
}

static void pass(int from, int to)
{
	char byte;

	if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
		fail("pipe");
}

static void ping_pong(unsigned n)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	if (pipe(there) || pipe(back))
		fail("pipe");
	child = fork();
	if (!child) {
		while (n--)
			pass(there[0], back[1]);
		_exit(0);
	}
	while (n--)
		if (write(there[1], &byte, 1) != 1 ||
		    read(back[0], &byte, 1) != 1)
			fail("pipe");
	wait_for(child);
}

#define MAP_PAGES 64

static void map_touch(unsigned n)
{
	while (n--) {
		char *p = mmap(NULL, MAP_PAGES * 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap");
		for (unsigned i = 0; i < MAP_PAGES; i++)
			p[i * 4096] = 1;
		munmap(p, MAP_PAGES * 4096);
	}
}

static volatile unsigned signals_seen;

static void on_signal(int sig)
{
	signals_seen++;
}

static void signals(unsigned n)
{
	signal(SIGUSR1, on_signal);
	signals_seen = 0;
	for (unsigned i = 0; i < n; i++)
		raise(SIGUSR1);
	if (signals_seen != n)
		fail("signals");
}

#define PIPES 16

static void select_poll(unsigned n)
{
	struct timeval none = { 0, 0 };
	struct pollfd fds[PIPES];
	fd_set set;
	int ends[2];

	for (unsigned i = 0; i < PIPES; i++) {
		if (pipe(ends))
			fail("pipe");
		fds[i] = (struct pollfd){ ends[0], POLLIN, 0 };
	}
	while (n--) {
		FD_ZERO(&set);
		for (unsigned i = 0; i < PIPES; i++)
			FD_SET(fds[i].fd, &set);
		if (select(fds[PIPES - 1].fd + 1, &set, NULL, NULL, &none) ||
		    poll(fds, PIPES, 0))
			fail("select");
	}
}

static void system_call(unsigned n)
{
	while (n--)
		getppid();
}

static void compute(unsigned n)
{
	unsigned h = 1;

	for (; n; n--)
		for (unsigned i = 0; i < 1000; i++)
			h = (h ^ i) * 16777619 + (h >> 7);
	if (!h)
		fail("compute");
}

static const struct {
	const char *name;
	void (*run)(unsigned n);
	unsigned n;
} workloads[] = {
	{ "forkwait", forkwait, 2000 },
	{ "exec", exec, 400 },
	{ "pipe", ping_pong, 10000 },
	{ "mmap", map_touch, 1000 },
	{ "signals", signals, 20000 },
	{ "select", select_poll, 10000 },
	{ "getppid", system_call, 100000 },
	{ "compute", compute, 100000 },
};

#define LEAST 5 /* whatever the percentage */

static void report(const char *name, unsigned n, unsigned long long ticks)
{
	outb(MARK_TELL, MARK_PORT);
	printf("bench: %s %u %llu\n", name, n, ticks);
	fflush(stdout);
}

static void all(unsigned percent)
{
	for (unsigned i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		unsigned n = workloads[i].n * percent / 100;
		unsigned long long start;

		if (n < LEAST)
			n = LEAST;
		workloads[i].run(n / 20 + 1);
		outb(MARK_BEGIN, MARK_PORT);
		start = rdtsc();
		workloads[i].run(n);
		start = rdtsc() - start;
		outb(MARK_END, MARK_PORT);
		report(workloads[i].name, n, start);
	}
}

static void run_command(const char *name, char **words)
{
	unsigned long long start;
	pid_t child;

	outb(MARK_BEGIN, MARK_PORT);
	start = rdtsc();
	child = fork();
	if (!child) {
		execvp(words[0], words);
		_exit(127);
	}
	wait_for(child);
	start = rdtsc() - start;
	outb(MARK_END, MARK_PORT);
	report(name, 1, start);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (ioperm(MARK_PORT, 1, 1))
		fail("ioperm");
	if (argc == 3 && !strcmp(argv[1], "all"))
		all((unsigned)atoi(argv[2]));
	else if (argc > 3 && !strcmp(argv[1], "run"))
		run_command(argv[2], argv + 3);
	else
		return 2;
	return 0;
}
