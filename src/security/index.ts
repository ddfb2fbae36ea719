export { type LimitedLog, limitedLog } from './limited-log.ts'
export { checkIdentity, clientTlsOptions, serverTlsOptions } from './tls-context.ts'
export { readTlsFiles, TlsFileError, type TlsMaterial } from './tls-files.ts'
export { hostAndPort, type Listener, type ListenOptions, listen } from './tls-listener.ts'
