import { greet, type Greeting } from './greeting';

interface Context {
  method: string;
  target: string;
  status: number;
}

export default async (event: { name?: string } | string, context: Context): Promise<Greeting> => {
  const name = typeof event === 'string' ? event : event.name;
  if (!name) context.status = 404;
  return greet(name ?? 'nobody');
};
