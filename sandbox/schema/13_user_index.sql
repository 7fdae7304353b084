-- For counting the users of an issue, which every list of issues does. A search
-- has to spell the expression as it is here.
CREATE INDEX item_user ON item(issue, attrs ->> '$.user') WHERE issue IS NOT NULL;
