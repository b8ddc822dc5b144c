/* Hands a connection to a Node program that is up already: over the channel that a parent has to a
 * child of child_process.fork(), as a raw handle (net.Native). Node has no other way to be given a
 * descriptor after its start. Source: lib/internal/child_process.js of Node 18 to 22,
 * "NODE_CHANNEL_FD" and "NODE_HANDLE". */
#ifndef HANDLERS_RECEIVER_NODE_CHANNEL_H
#define HANDLERS_RECEIVER_NODE_CHANNEL_H

/* Starts `program`; when it has sent its first message (process.send), connects to /control.sock,
 * and sends it the connection with the message "connection". Returns what `program` has exited
 * with, 128 + N if signal N ended it; -1 with *failed and errno if it cannot be served. */
int serve_by_node(char** program, const char** failed);

#endif
