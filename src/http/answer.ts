/** What is sent for a request. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const plainText = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' } as const

export const textAnswer = (body: string): Answer => ({ status: 200, headers: plainText, body })

export const jsonAnswer = (body: object): Answer => ({
  status: 200,
  headers: { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' },
  body: JSON.stringify(body),
})

/** In the form of Go's http.Error: the words and an end of line. */
export const errorAnswer = (status: number, words: string): Answer => ({
  status,
  headers: plainText,
  body: `${words}\n`,
})

export const notFound = errorAnswer(404, '404 page not found')

export const methodNotAllowed = (allowed: string): Answer => {
  const { status, headers, body } = errorAnswer(405, 'Method Not Allowed')
  return { status, headers: { ...headers, Allow: allowed }, body }
}
