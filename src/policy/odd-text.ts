/** Text that looks like other text, or like nothing at all: a letter with its accent may be one character or two. */
export const isOddText = (text: string): boolean =>
  /^\s|\s$|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text) || text !== text.normalize('NFC')

export const oddText = 'spaces around it, what cannot be seen, or letters in a form that is seldom typed'
