-- Parts of a rule that somebody has set aside in the editor. They are in no revision, so nobody signs them and nothing
-- runs them. Locks: rule, for an instant; the column has no default, so nothing is rewritten.
ALTER TABLE rule ADD COLUMN set_aside jsonb CHECK (jsonb_typeof(set_aside) = 'array');
