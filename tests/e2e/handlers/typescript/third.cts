import path = require('node:path');

export const separator: string = path.sep;
