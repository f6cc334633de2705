// Full-text index over the titles and descriptions of products.
// uses:    nothing
CREATE FULLTEXT INDEX product_text IF NOT EXISTS FOR (p:Product) ON EACH [p.title, p.description]
