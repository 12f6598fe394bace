/* The one place where the version is written; the Makefile and the rock's test read it here. */
#ifndef GROOVE_VERSION_H
#define GROOVE_VERSION_H

#define GROOVE_VERSION "0.1.0"

#endif
