/* list: intrusive doubly linked list; the nodes live inside their objects,
 * which own themselves. A list head is a node that links to itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define container_of(pointer, type, member)                                    \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct list {
	struct list *next, *previous;
};

static inline void
list_init(struct list *l)
{
	l->next = l->previous = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_append(struct list *head, struct list *node)
{
	node->previous = head->previous;
	node->next = head;
	head->previous->next = node;
	head->previous = node;
}

static inline void
list_prepend(struct list *head, struct list *node)
{
	list_append(head->next, node);
}

/* Safe to call twice: a removed node links to itself. */
static inline void
list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

/* Moves all nodes of `from`, in order, into `to`, which needs no list_init();
 * `from` is empty afterwards. */
static inline void
list_take_all(struct list *to, struct list *from)
{
	list_append(from, to);
	list_remove(from);
}

#define list_for_each(node, head)                                              \
	for (struct list *node = (head)->next; node != (head);                 \
		node = node->next)
#define list_for_each_back(node, head)                                         \
	for (struct list *node = (head)->previous; node != (head);             \
		node = node->previous)
/* The current node may be removed in the body; its neighbours may not. */
#define list_for_each_safe(node, head)                                         \
	for (struct list *node = (head)->next, *node##_next = node->next;      \
		node != (head); node = node##_next, node##_next = node->next)
