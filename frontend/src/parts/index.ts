/** What most screens are made of. What only a few need has its own file beside these, and is loaded with them. */
export * from "./Button";
export * from "./Dialog";
export * from "./Fields";
export * from "./icons";
export * from "./Loaded";
export * from "./Money";
export * from "./Page";
export * from "./Says";
export * from "./State";
export * from "./Table";
export * from "./When";
