/** Pictures are files of their own; the bundler gives their address. */
declare module '*.jpg' {
  const url: string;
  export default url;
}
