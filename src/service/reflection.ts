import { Code } from '../errors.ts'
import { type FileDescriptor, fileDescriptors } from '../wire/gen/descriptors.ts'
import { ServerReflectionRequest, ServerReflectionResponse } from '../wire/gen/reflection.ts'
import { decodeRequest } from './decode.ts'
import { StatusError } from './status-error.ts'
import type { MessageStream } from './stream.ts'

type Question = NonNullable<ServerReflectionRequest['message_request']>
type Answer = NonNullable<ServerReflectionResponse['message_response']>

const filesByName = new Map(fileDescriptors.map((file) => [file.name, file]))
const filesBySymbol = new Map(fileDescriptors.flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)))

/**
 * Tells clients what can be called here, and the types of it: the gRPC server reflection protocol.
 *
 * @param services the full names of what is served.
 * @param fail ends the stream with any error.
 */
export function reflect(services: readonly string[], stream: MessageStream, fail: (error: unknown) => void): void {
  stream.onMessage((message) => {
    try {
      const request = decodeRequest(ServerReflectionRequest, message)
      const { message_request: question, host } = request
      if (question === undefined) throw new StatusError(Code.InvalidArgument, 'invalid MessageRequest: <nil>')
      const response = { valid_host: host, original_request: request, message_response: answerTo(question, services) }
      // An answer is much longer than its question: who does not read is not asked on.
      if (!stream.write(ServerReflectionResponse.encode(response).finish())) stream.pause?.()
    } catch (error) {
      fail(error)
    }
  })
  stream.onDrain(() => stream.resume?.())
  stream.onEnd(() => stream.end())
}

function answerTo(question: Question, services: readonly string[]): Answer {
  switch (question.$case) {
    case 'file_by_filename':
      return fileAnswer(filesByName.get(question.value), question.value)
    case 'file_containing_symbol':
      return fileAnswer(filesBySymbol.get(question.value), question.value)
    case 'list_services':
      return { $case: 'list_services_response', value: { service: services.map((name) => ({ name })) } }
    case 'all_extension_numbers_of_type':
      // No message here has extensions.
      if (!filesBySymbol.has(question.value)) return notFound(question.value)
      return {
        $case: 'all_extension_numbers_response',
        value: { base_type_name: question.value, extension_number: [] },
      }
    case 'file_containing_extension':
      return notFound(`extension ${question.value.extension_number} of ${question.value.containing_type}`)
  }
}

const notFound = (what: string): Answer => ({
  $case: 'error_response',
  value: { error_code: Code.NotFound, error_message: `not found: ${what}` },
})

function fileAnswer(file: FileDescriptor | undefined, asked: string): Answer {
  if (file === undefined) return notFound(asked)
  const files = [...withDependencies(file, new Set())]
  return {
    $case: 'file_descriptor_response',
    value: { file_descriptor_proto: files.map(({ base64 }) => Buffer.from(base64, 'base64')) },
  }
}

/** The file itself first. */
function withDependencies(file: FileDescriptor, seen: Set<FileDescriptor>): Set<FileDescriptor> {
  seen.add(file)
  for (const name of file.dependencies) {
    const dependency = filesByName.get(name)
    if (dependency !== undefined && !seen.has(dependency)) withDependencies(dependency, seen)
  }
  return seen
}
