"""The web page that a person looks at: server-rendered frames, plain CSS and JavaScript modules, no CDN, no build."""
