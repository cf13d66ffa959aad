/*
 * Can nobody else decide what a file says?  As sshd's StrictModes has it
 * (safe_path() in misc.c of OpenSSH), but for every symbolic link in it,
 * too: who can write the folder of a link chooses what it leads to.
 */

#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan/local.h"

#define MAX_LINKS	40	/* as Linux has it: path_resolution(7) */

/* A path that is walked from the root, name by name. */
struct walk {
	const char	*name;		/* as given, for messages */
	char		*at;		/* so far, without links; "": the root */
	char		*buffer;	/* holds rest */
	char		*rest;		/* still to come; NULL: nothing */
	char		 home[PATH_MAX];
	int		 links;		/* followed */
	int		 shared;	/* at has the sticky bit, for others */
	struct stat	 st;		/* of at */
};

static int
unsafe(const struct walk *w, const char *path)
{
	say("%s: can be written by others, who then choose what the route file "
	    "%s says; chmod go-w, or chown it", path, w->name);
	return -1;
}

static int
failed(const struct walk *w, const char *path)
{
	say("%s: %s: %s", w->name, path, strerror(errno));
	return -1;
}

/* Who can write above the home has everything in it already: as in sshd. */
static int
above_home(const struct walk *w, const char *path)
{
	size_t len = strlen(path);

	return strncmp(w->home, path, len) == 0 && w->home[len] == '/';
}

/*
 * What path is now has to be ours or the system's, and not to be written by
 * others.  In a folder with the sticky bit they cannot put another in its
 * place; a link to one of our files there is possible on some systems.
 */
static int
check(struct walk *w, const char *path)
{
	int others = (w->st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
	int folder = S_ISDIR(w->st.st_mode);

	if (folder && above_home(w, path))
		return 0;
	if (w->st.st_uid != 0 && w->st.st_uid != getuid())
		return unsafe(w, path);
	if (!folder && w->shared)
		return unsafe(w, w->at);
	w->shared = folder && others && (w->st.st_mode & S_ISVTX) != 0;
	return others && !w->shared ? unsafe(w, path) : 0;
}

/* Puts the target of the link at path before the rest of the path. */
static int
follow(struct walk *w, const char *path)
{
	char target[PATH_MAX], *buffer;
	ssize_t len;

	if (w->st.st_uid != 0 && w->st.st_uid != getuid())
		return unsafe(w, path);
	if (++w->links > MAX_LINKS) {
		errno = ELOOP;
		return failed(w, path);
	}
	if ((len = readlink(path, target, sizeof(target) - 1)) == -1)
		return failed(w, path);
	target[len] = '\0';
	if (*target == '/') {
		*w->at = '\0';
		w->shared = 0;
	}
	buffer = w->rest == NULL ? xstrdup(target) :
	    xasprintf("%s/%s", target, w->rest);
	free(w->buffer);
	w->buffer = w->rest = buffer;
	return 0;
}

/* Back to the folder above. */
static int
leave(struct walk *w)
{
	char *slash;

	if ((slash = strrchr(w->at, '/')) != NULL)
		*slash = '\0';
	w->shared = 0;
	if (*w->at == '\0')
		return 0;
	return lstat(w->at, &w->st) == -1 ? failed(w, w->at) : check(w, w->at);
}

/* Goes on to one part of the name. */
static int
step(struct walk *w, const char *part)
{
	char *path;
	int rc;

	if (*part == '\0' || strcmp(part, ".") == 0)
		return 0;
	if (strcmp(part, "..") == 0)
		return leave(w);
	path = xasprintf("%s/%s", w->at, part);
	if (lstat(path, &w->st) == -1)
		rc = failed(w, path);
	else if (S_ISLNK(w->st.st_mode))
		rc = follow(w, path);
	else if ((rc = check(w, path)) == 0) {
		free(w->at);
		w->at = path;
		return 0;
	}
	free(path);
	return rc;
}

static int
begin(struct walk *w, const char *name)
{
	char here[PATH_MAX];

	if (*name == '/')
		w->buffer = xstrdup(name);
	else if (getcwd(here, sizeof(here)) != NULL)
		w->buffer = xasprintf("%s/%s", here, name);
	else
		return failed(w, ".");
	w->rest = w->buffer;
	w->at = xstrdup("");
	if (realpath(expand_home(), w->home) == NULL)
		*w->home = '\0';
	return 0;
}

/*
 * Is name, open as fd, a plain file that nobody but us and root can write or
 * put another in its place?  Returns 0, or -1 after saying why not.
 */
int
safe_file(int fd, const char *name)
{
	struct walk w = { .name = name };
	struct stat st;
	char *part;
	int rc = 0;

	if (fstat(fd, &st) == -1)
		return failed(&w, "fstat");
	if (!S_ISREG(st.st_mode)) {
		say("%s: not a plain file", name);
		return -1;
	}
	rc = begin(&w, name);
	while (rc == 0 && (part = strsep(&w.rest, "/")) != NULL)
		rc = step(&w, part);
	if (rc == 0 && (w.st.st_dev != st.st_dev || w.st.st_ino != st.st_ino)) {
		say("%s: it has changed while it was looked at", name);
		rc = -1;
	}
	free(w.at);
	free(w.buffer);
	return rc;
}
