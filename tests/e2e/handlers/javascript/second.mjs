export const text = () => 'from a second file';
