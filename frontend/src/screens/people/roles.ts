/** Roles, in words. What they may do is decided by the server; each answer says so in `can`. */
export const ROLES = {
  VIEWER: { word: "Viewer", may: "Sees everything and changes nothing." },
  WRITER: { word: "Writer", may: "Drafts rules, tries them, and asks for transfers." },
  ADMIN: { word: "Admin", may: "Enables rules, approves transfers, and decides about keys and people." },
} as const;

export type Role = keyof typeof ROLES;

export const ROLE_OPTIONS = Object.entries(ROLES).map(([role, { word }]) => [role, word] as const);
