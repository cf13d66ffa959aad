/*
 * The packets of OpenSSH's connection sharing, byte by byte as its mux.c reads
 * and writes them.
 */

#include <string.h>

#include <criterion/criterion.h>

#include "chain/mux.h"

#define EQUAL(got, len, want) \
	cr_assert((len) == sizeof(want) - 1 && memcmp(got, want, len) == 0)

Test(mux, requests)
{
	unsigned char to[MUX_REQUEST];
	char name[MUX_REQUEST + 1];

	EQUAL(to, mux_hello(to), "\0\0\0\10\0\0\0\1\0\0\0\4");
	EQUAL(to, mux_alive_check(to, 7), "\0\0\0\10\20\0\0\4\0\0\0\7");
	EQUAL(to, mux_stdio_forward(to, 1, "db1", 5432),
	    "\0\0\0\27\20\0\0\10\0\0\0\1\0\0\0\0\0\0\0\3db1\0\0\25\70");
	memset(name, 'x', sizeof(name));
	name[MUX_REQUEST - 24] = '\0';
	cr_assert(mux_stdio_forward(to, 1, name, 1) == MUX_REQUEST);
	name[MUX_REQUEST - 24] = 'x';
	name[MUX_REQUEST - 23] = '\0';
	cr_assert(mux_stdio_forward(to, 1, name, 1) == 0);
}

/* What mux_answer() makes of a string. */
#define ANSWER(s, m)	mux_answer((const unsigned char *)(s), sizeof(s) - 1, m)

Test(mux, answers)
{
	struct mux_answer m;

	cr_assert(ANSWER("\0\0\0\10\0\0\0\1\0\0\0\4", &m) == 12 &&
	    m.type == MUX_HELLO && m.id == 4);
	/* 10.3 and later */
	cr_assert(ANSWER("\0\0\0\25\0\0\0\1\0\0\0\4\0\0\0\4info\0\0\0\1" "0",
	    &m) == 25 && m.type == MUX_HELLO);
	cr_assert(ANSWER("\0\0\0\14\200\0\0\5\0\0\0\0\0\0\1\1rest", &m) == 16 &&
	    m.type == MUX_ALIVE && m.id == 0 && m.number == 257);
	cr_assert(ANSWER("\0\0\0\16\200\0\0\3\0\0\0\1\0\0\0\2no", &m) == 18 &&
	    m.type == MUX_FAILURE && m.len == 2 &&
	    memcmp(m.text, "no", 2) == 0);
}

Test(mux, no_answers)
{
	struct mux_answer m;

	cr_assert(ANSWER("", &m) == 0);
	cr_assert(ANSWER("\0\0\0", &m) == 0);
	cr_assert(ANSWER("\0\0\0\10\0\0\0\1\0\0\0", &m) == 0);
	cr_assert(ANSWER("\0\0\0\10\0\0\0\1\0\0\0\3", &m) == -1);
	cr_assert(ANSWER("\0\0\0\7\0\0\0\1\0\0\0", &m) == -1);
	cr_assert(ANSWER("\377\377\377\377", &m) == -1);
	cr_assert(ANSWER("\0\0\17\374\0\0\0\1", &m) == 0);
	cr_assert(ANSWER("\0\0\17\375\0\0\0\1", &m) == -1);
	cr_assert(ANSWER("\0\0\0\10\200\0\0\5\0\0\0\0", &m) == -1);
	cr_assert(ANSWER("\0\0\0\15\200\0\0\3\0\0\0\1\0\0\0\2n", &m) == -1);
}
