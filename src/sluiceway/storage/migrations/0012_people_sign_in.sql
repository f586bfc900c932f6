-- People sign in: roles, sessions, second factors, invitations, and how often somebody may try.
-- Locks: the new columns of person have constant defaults or none, so nothing is rewritten; the check reads that table,
-- which is small. Everything else is new.
--
-- A session's token, an invitation's and a recovery code are kept as hashes. Tokens name their organization, so that
-- looking one up names it too. All times here are real ones, whatever an organization's clock says.

-- Whoever is there already could enable rules, which is what an admin may do. Somebody who has been removed stays as
-- the one who has approved what they have approved.
ALTER TABLE person ADD COLUMN role text NOT NULL DEFAULT 'ADMIN';
ALTER TABLE person ADD CONSTRAINT roles_are_known CHECK (role IN ('VIEWER', 'WRITER', 'ADMIN'));
ALTER TABLE person ALTER COLUMN role DROP DEFAULT;
ALTER TABLE person ADD COLUMN removed_at timestamptz;

-- is_complete: not while a second factor is awaited, which is all that such a session is good for.
-- challenge: what a passkey has been asked to sign, once.
CREATE TABLE session (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    reauthenticated_at timestamptz NOT NULL,
    is_complete boolean NOT NULL,
    ended_at timestamptz,
    user_agent text NOT NULL,
    address text NOT NULL,
    challenge bytea,
    challenge_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT session_by_token UNIQUE (organization_id, token_hash),
    CONSTRAINT session_of_a_person FOREIGN KEY (organization_id, person_id) REFERENCES person,
    CONSTRAINT challenges_have_a_time CHECK ((challenge IS NULL) = (challenge_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX session_of_person ON session (organization_id, person_id, id DESC);

-- One for each person. confirmed_at: a first code has been shown; before that it counts for nothing. last_step: the
-- step of time of the last code that was taken, which is never taken again.
CREATE TABLE totp (
    organization_id uuid NOT NULL,
    person_id uuid NOT NULL,
    secret text NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, person_id),
    CONSTRAINT totp_of_a_person FOREIGN KEY (organization_id, person_id) REFERENCES person
);

CREATE TABLE recovery_code (
    organization_id uuid NOT NULL,
    person_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (organization_id, person_id, code_hash),
    CONSTRAINT recovery_code_of_a_person FOREIGN KEY (organization_id, person_id) REFERENCES person
);

CREATE TABLE passkey (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    transports text[] NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT passkey_by_credential UNIQUE (organization_id, credential_id),
    CONSTRAINT passkey_of_a_person FOREIGN KEY (organization_id, person_id) REFERENCES person
);
CREATE INDEX passkey_of_person ON passkey (organization_id, person_id, id);

CREATE TABLE invitation (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    token_hash bytea NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT invitation_by_token UNIQUE (organization_id, token_hash),
    CONSTRAINT invitation_by_a_person FOREIGN KEY (organization_id, invited_by) REFERENCES person,
    CONSTRAINT invited_to_a_role CHECK (role IN ('VIEWER', 'WRITER', 'ADMIN'))
);

-- Before anybody is known there is no organization, so these two have none. Nothing depends on them after a crash.
-- attempt: how often somebody has tried with a name or from an address, both hashed, until when it counts.
CREATE UNLOGGED TABLE sign_in_attempt (
    key_hash bytea PRIMARY KEY,
    count integer NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 70);
-- What a passkey has been asked to sign by somebody who is not known yet, once.
CREATE UNLOGGED TABLE sign_in_challenge (
    challenge_hash bytea PRIMARY KEY,
    until timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON session, totp, passkey, invitation, recovery_code TO sluiceway_app;
GRANT DELETE ON session, totp, recovery_code, passkey TO sluiceway_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_attempt, sign_in_challenge TO sluiceway_app;
