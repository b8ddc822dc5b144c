// The body of a request, whole: it is held in memory, which --memory limits as well.
const MAX_BODY = 64 << 20;

export class BadRequest extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY) {
      throw new BadRequest(413, 'body_too_large', `the body is larger than ${MAX_BODY} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

// `text` is JSON already.
export function replyJsonText(response, status, text) {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json');
  response.end(`${text}\n`);
}

export function replyError(response, status, message, code) {
  replyJsonText(response, status, JSON.stringify({ error: message, code }));
}
