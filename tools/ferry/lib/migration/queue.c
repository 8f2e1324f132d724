// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets between who receives for all devices and who writes to one: so one
 * device that loads does not keep another from its data.  Of fixed size, so
 * memory is bounded and a slow device slows its source.
 */
#include <pthread.h>
#include <stdlib.h>

#include "session.h"

#define ROOM	4

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct packet *full[ROOM], *empty[ROOM + 2];
	unsigned int fulls, empties;
	bool closed;
};

struct queue *queue_new(void)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->change, NULL);
	for (; q->empties < ROOM; q->empties++) {
		q->empty[q->empties] = malloc(sizeof(struct packet));
		if (!q->empty[q->empties]) {
			queue_free(q);
			return NULL;
		}
	}
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	while (q->empties)
		free(q->empty[--q->empties]);
	while (q->fulls)
		free(q->full[--q->fulls]);
	pthread_cond_destroy(&q->change);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

struct packet *queue_put(struct queue *q, struct packet *full)
{
	struct packet *empty = NULL;

	pthread_mutex_lock(&q->lock);
	while (!q->closed && (q->fulls == ROOM || !q->empties))
		pthread_cond_wait(&q->change, &q->lock);
	if (!q->closed) {
		q->full[q->fulls++] = full;
		empty = q->empty[--q->empties];
		pthread_cond_broadcast(&q->change);
	}
	pthread_mutex_unlock(&q->lock);
	return empty;
}

struct packet *queue_take(struct queue *q, struct packet *empty)
{
	struct packet *full = NULL;

	pthread_mutex_lock(&q->lock);
	if (empty) {
		q->empty[q->empties++] = empty;
		pthread_cond_broadcast(&q->change);
	}
	while (!q->closed && !q->fulls)
		pthread_cond_wait(&q->change, &q->lock);
	if (!q->closed) {
		full = q->full[0];
		q->fulls--;
		for (unsigned int i = 0; i < q->fulls; i++)
			q->full[i] = q->full[i + 1];
		pthread_cond_broadcast(&q->change);
	}
	pthread_mutex_unlock(&q->lock);
	return full;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->change);
	pthread_mutex_unlock(&q->lock);
}
