/** Whether that is a SHA-256 as tokens have it: base64url of 32 bytes, in the one way that there is to write them. */
export const isSha256Text = (text: string): boolean =>
  /^[A-Za-z0-9_-]{43}$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text
