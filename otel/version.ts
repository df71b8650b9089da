/** The version of the package, as in `package.json` (a test compares them): a constant, so that a bundle needs no file. */
export const version = '0.2.0';
