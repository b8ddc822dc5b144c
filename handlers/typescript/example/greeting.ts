export interface Greeting {
  text: string;
  at: Date;
}

export const greet = (name: string): Greeting => ({ text: `Hello, ${name}.`, at: new Date() });
